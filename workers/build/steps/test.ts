import type { ContainerEnd } from "../../../src/domain/step.ts";
import type { Container, ContainerSpec, Engine } from "../engine.ts";

/** Not every `sh` knows pipefail, and dash stops at an option that it does not know. */
const PIPEFAIL = "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi";

/** Runs the file's own lines: a failing one ends the step, and so does a variable that is not set. */
export function shellCommand(run: string): readonly string[] {
  return ["sh", "-eu", "-c", `${PIPEFAIL}\n${run}`];
}

export interface TestDeps {
  readonly engine: Engine;
  /** Everything about the container but its command. */
  readonly container: Omit<ContainerSpec, "command" | "gate">;
  readonly write: (chunk: Buffer) => Promise<void>;
  /** Puts files into it before it starts. */
  readonly fill: (container: Container) => Promise<void>;
}

/** A container that waits for its gate to be opened before it runs the test. */
export async function prepareTest(
  run: string,
  { engine, container: spec, write, fill }: TestDeps,
  signal: AbortSignal,
): Promise<Container> {
  const command = shellCommand(run);
  const container = await engine.createContainer({ ...spec, command, gate: true }, signal);
  await fill(container);
  await container.start(write, signal);
  return container;
}

/**
 * Sees a test through whose gate is open. `onPassed` is called as soon as its command has exited 0, some time before the
 * end is certain. Throws only if we could not find out how it ended.
 */
export async function runTest(
  container: Pick<Container, "commandExit" | "wait">,
  onPassed: () => void,
  signal: AbortSignal,
): Promise<ContainerEnd> {
  void container.commandExit().then((code) => {
    if (code === 0) onPassed();
  });
  return await container.wait(signal);
}
