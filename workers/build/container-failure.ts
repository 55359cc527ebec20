import type { ContainerEnd, StepFailure } from "../../src/domain/step.ts";
import type { ContainerLimits } from "./engine.ts";

/** Why a step whose container ended so did not pass; undefined when it did. */
export function containerFailure(
  step: string,
  end: ContainerEnd,
  limits: ContainerLimits,
): StepFailure | undefined {
  const none = { hint: null, file: null, line: null, exitCode: null };
  switch (end.how) {
    case "exited": {
      if (end.code === 0) return undefined;
      const message = `${step} exited ${end.code}`;
      return {
        ...none,
        code: "STEP_FAILED",
        message,
        hint: exitHint(end.code),
        exitCode: end.code,
      };
    }
    case "out-of-memory": {
      const hint = "Use less memory, or ask an admin to raise TATARA_STEP_MEMORY_MIB.";
      const message = `${step} used its ${inBytes(limits.memoryBytes)} of memory`;
      return { ...none, code: "OUT_OF_MEMORY", message, hint };
    }
    case "over-time": {
      const hint = "Make it faster, or ask an admin to raise TATARA_STEP_TIMEOUT_SECONDS.";
      const message = `${step} ran longer than ${inMinutes(limits.timeoutMs)}`;
      return { ...none, code: "STEP_TIMEOUT", message, hint };
    }
    case "silent": {
      const hint = "Print progress, or ask an admin to raise TATARA_IDLE_TIMEOUT_SECONDS.";
      const message = `${step} printed nothing for ${inMinutes(limits.idleTimeoutMs)}`;
      return { ...none, code: "STEP_SILENT", message, hint };
    }
  }
}

/** What a shell means by its own exit codes. */
function exitHint(code: number): string | null {
  if (code === 126)
    return "A command was found but is not executable: `git update-index --chmod=+x`.";
  if (code === 127) return "A command was not found in the image: install it there.";
  return null;
}

function inBytes(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

function inMinutes(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}
