import type Dockerode from "dockerode";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { DEADLINE_MS, call, engineMessage } from "./client.ts";
import { InfraFault } from "../../../src/domain/faults.ts";
import { frameReader } from "./frames.ts";
import { raceAbort } from "../race-abort.ts";

const OUTPUT_BYTES_MAX = 4_096;

export interface ExecEnd {
  /** null: it did not end in time; it is left to the container's own end. */
  readonly exitCode: number | null;
  /** The beginning of what it said. */
  readonly output: string;
}

/** Runs a command beside what a container runs, as the same user, for at most so long. */
export async function execIn(
  container: Dockerode.Container,
  command: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ExecEnd> {
  const quick = { doing: "run a command in a container", deadlineMs: DEADLINE_MS.quick, signal };
  const exec = await call(quick, (abortSignal) =>
    container.exec({
      Cmd: [...command],
      AttachStdout: true,
      AttachStderr: true,
      abortSignal,
    }),
  );
  using deadline = deadlineIn(Math.ceil(timeoutMs));
  const either = AbortSignal.any([signal, deadline.signal]);
  const heard = { text: "" };
  try {
    const stream = await call({ ...quick, signal: either }, () =>
      exec.start({ Detach: false, Tty: false, abortSignal: either }),
    );
    await raceAbort(read(stream, heard), either);
    const { ExitCode } = await call(quick, (abortSignal) => exec.inspect({ abortSignal }));
    return { exitCode: ExitCode, output: heard.text };
  } catch (err) {
    signal.throwIfAborted();
    if (deadline.signal.aborted) return { exitCode: null, output: heard.text };
    if (cannotBeRun(err)) return { exitCode: 127, output: engineMessage(err) };
    throw err;
  }
}

async function read(stream: NodeJS.ReadableStream, heard: { text: string }): Promise<void> {
  const frames = frameReader();
  for await (const chunk of stream) {
    const text = frames.push(chunk as Buffer).toString();
    if (heard.text.length < OUTPUT_BYTES_MAX) heard.text += text;
  }
}

/** There is no such program in the image. */
function cannotBeRun(err: unknown): boolean {
  return err instanceof InfraFault && /executable file not found|no such file/i.test(err.message);
}
