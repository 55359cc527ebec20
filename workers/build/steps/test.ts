import type { PipelineTest } from "../../../src/domain/pipeline.ts";
import type { StepOutcome } from "../../../src/domain/step.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, ContainerLimits, ContainerSpec, Engine } from "../engine.ts";

/** Not every `sh` knows pipefail, and dash stops at an option that it does not know. */
const PIPEFAIL = "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi";

export interface TestDeps {
  readonly engine: Engine;
  /** Everything about the container but its command. */
  readonly container: Omit<ContainerSpec, "command" | "gate">;
  readonly write: (chunk: Buffer) => Promise<void>;
}

/** A container that waits for its gate to be opened before it runs the test. */
export async function prepareTest(
  test: PipelineTest,
  { engine, container: spec, write }: TestDeps,
  signal: AbortSignal,
): Promise<Container> {
  const command = ["sh", "-eu", "-c", `${PIPEFAIL}\n${test.run}`];
  const container = await engine.createContainer({ ...spec, command, gate: true }, signal);
  await container.start(write, signal);
  return container;
}

/** Runs one test of the pipeline. Throws only if we could not find out how it ended. */
export async function runTest(
  test: PipelineTest,
  container: Container,
  limits: ContainerLimits,
  signal: AbortSignal,
): Promise<StepOutcome> {
  await container.openGate(signal);
  const end = await container.wait(signal);
  const failure = containerFailure(test.name, end, limits);
  return failure ? { state: "failed", failure } : { state: "passed" };
}
