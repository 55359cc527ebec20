import type { PipelineTest } from "../../../src/domain/pipeline.ts";
import type { StepOutcome } from "../../../src/domain/step.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, ContainerSpec, Engine } from "../engine.ts";

/** Not every `sh` knows pipefail, and dash stops at an option that it does not know. */
const PIPEFAIL = "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi";

export interface TestDeps {
  readonly engine: Engine;
  /** Everything about the container but the command. */
  readonly container: Omit<ContainerSpec, "command">;
  readonly write: (chunk: Buffer) => Promise<void>;
}

/** Runs one test of the pipeline. Throws only if we could not find out how it ended. */
export async function runTest(
  test: PipelineTest,
  deps: TestDeps,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const container = await startTest(test, deps, signal);
  const end = await container.wait(signal);
  const failure = containerFailure(test.name, end, deps.container.limits);
  return failure ? { state: "failed", failure } : { state: "passed" };
}

async function startTest(
  test: PipelineTest,
  { engine, container: spec, write }: TestDeps,
  signal: AbortSignal,
): Promise<Container> {
  const command = ["sh", "-eu", "-c", `${PIPEFAIL}\n${test.run}`];
  const container = await engine.createContainer({ ...spec, command }, signal);
  await container.start(write, signal);
  return container;
}
