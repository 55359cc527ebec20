import type { StepFailure } from "../../../src/domain/step.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container } from "../engine.ts";
import type { PackageRequest } from "./package-types.ts";
import type { TailedDeps } from "./log-tail.ts";
import { workspaceTree } from "./source-tree.ts";
import type { SourceTree } from "./source-tree.ts";

const WORKSPACE = "/workspace";
/** Not every `sh` knows pipefail, and dash stops at an option that it does not know. */
const PIPEFAIL = "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi";

/** The workspace as `run` left it. Its container must be removed by who asked for it. */
export interface RanBefore {
  readonly container: Container;
  readonly tree: SourceTree;
  readonly failure: StepFailure | undefined;
}

/** Runs `package.run` in the project's image; without it the container only holds the workspace. */
export async function runBefore(
  { plan, target, projectPath }: PackageRequest,
  deps: TailedDeps,
  signal: AbortSignal,
): Promise<RanBefore> {
  const workspace = await deps.openWorkspace();
  const { volume, home } = workspace;
  const folder = projectPath === "" ? WORKSPACE : `${WORKSPACE}/${projectPath}`;
  const container = await deps.engine.createContainer(
    {
      owner: deps.owner("RUN"),
      image: deps.images.project,
      command: ["sh", "-eu", "-c", `${PIPEFAIL}\n${plan.run ?? ":"}`],
      env: deps.env({ home, workspace: WORKSPACE, target }),
      secrets: deps.secrets,
      workingDir: folder,
      volumes: { [volume]: WORKSPACE },
      network: plan.network === "none" ? "none" : await deps.network(plan.network),
      privilege: "test",
      limits: deps.limits,
      gate: false,
    },
    signal,
  );
  const tree = workspaceTree(container, WORKSPACE);
  if (plan.run === null) return { container, tree, failure: undefined };
  deps.say((await deps.cache?.restore(container, workspace)) ?? []);
  const startedAt = performance.now();
  await container.start(deps.write, signal);
  const end = await container.wait(signal);
  const failure = containerFailure("package.run", end, deps.limits);
  const tookMs = performance.now() - startedAt;
  const saved = failure === undefined && (await deps.cache?.save(container, workspace, tookMs));
  deps.say(saved || []);
  return { container, tree, failure };
}
