import type { Pipeline, When } from "./pipeline.ts";
import { literally, switchesOn } from "./plan-rules.ts";

/** What decides what a pipeline leaves to the server. */
export interface SettledFor {
  /** Undefined: nobody knows it. */
  readonly defaultBranch: string | undefined;
  readonly isPullRequest: boolean;
  /** The repo is the server's own, which builds every branch. */
  readonly buildsAllBranches: boolean;
}

/** The pipeline with what holds for builds of one kind written into it, as far as it is known. */
export function settled(pipeline: Pipeline, known: SettledFor): Pipeline {
  const { defaultBranch, isPullRequest } = known;
  const branches = defaultBranch === undefined ? undefined : [literally(defaultBranch)];
  const projects = pipeline.projects.map((project) => ({
    ...project,
    publish: project.publish.map((rule) =>
      rule.isDefaultBranch && branches !== undefined
        ? { ...rule, isDefaultBranch: false, branches }
        : rule,
    ),
  }));
  return {
    ...pipeline,
    projects,
    when: settledWhen(pipeline.when, branches, known),
    onNewerPush: pipeline.onNewerPush ?? (isPullRequest ? "cancel" : "keep"),
  };
}

function settledWhen(
  when: When,
  branches: readonly string[] | undefined,
  { buildsAllBranches }: SettledFor,
): When {
  const { pullRequests, schedule } = when;
  const built = buildsAllBranches ? ["**"] : branches;
  const isSaid = switchesOn({ ...when, schedule: schedule.length > 0 ? true : null });
  if (isSaid || built === undefined) return when;
  return { ...when, branches: built, tags: ["**"], pullRequests: pullRequests ?? true };
}
