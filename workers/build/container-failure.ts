import type { ContainerEnd, StepFailure } from "../../src/domain/step.ts";
import type { ContainerLimits } from "./engine.ts";
import { inBytes, inMinutes } from "./step-limits.ts";

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
      const more = inBytes(limits.memoryBytes * 2)
        .replace(" GiB", "g")
        .replace(" MiB", "m");
      const hint = `Use less memory, or give the step more: \`resources: { memory: ${more} }\`.`;
      const message = `${step} used its ${inBytes(limits.memoryBytes)} of memory`;
      return { ...none, code: "OUT_OF_MEMORY", message, hint };
    }
    case "over-time": {
      const hint = "Make it faster, or raise its `timeout`.";
      const message = `${step} ran longer than ${inMinutes(limits.timeoutMs)}`;
      return { ...none, code: "STEP_TIMEOUT", message, hint };
    }
    case "silent": {
      const hint = "Print progress, or raise its `idle-timeout`.";
      const message = `${step} printed nothing for ${inMinutes(limits.idleTimeoutMs)}`;
      return { ...none, code: "STEP_SILENT", message, hint };
    }
    case "over-disk": {
      const hint = "Write less, or raise `resources.disk` of the step.";
      const message = `${step} wrote more than its ${inBytes(limits.diskBytes)} of disk`;
      return { ...none, code: "DISK_LIMIT", message, hint };
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
