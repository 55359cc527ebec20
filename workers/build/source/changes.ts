import type { Only, Pipeline, Project } from "../../../src/domain/pipeline.ts";
import type { PlanMessage } from "../../../src/shared/build-messages.ts";
import type { BuildFacts } from "../../../src/shared/message-parts.ts";
import { GitFailed } from "./git.ts";
import type { Git } from "./git.ts";

const CHANGES_MAX = 10_000;
const PATH_BYTES_MAX = 4_096;

export interface ChangesFacts {
  readonly build: Pick<BuildFacts, "ref" | "event" | "defaultBranch" | "pullRequest">;
  /** Commit that is built. */
  readonly sha: string;
  /** Project → the newest commit of this branch for which it passed. */
  readonly passedAt: Readonly<Record<string, string>>;
  /** The newest commit of a branch of the repo; undefined when there is none. */
  readonly headOf: (branch: string) => Promise<string | undefined>;
}

/**
 * Project → the files that changed since it last passed on this branch; since the branch left the
 * default branch, where that is not known; of a pull request, since it left its base. Null: it cannot
 * be told, or nothing asks, and everything counts as changed.
 */
export async function readChanges(
  pipeline: Pipeline,
  facts: ChangesFacts,
  { git, gitDir }: { readonly git: Git; readonly gitDir: string },
  signal: AbortSignal,
): Promise<PlanMessage["changes"]> {
  const { projects } = pipeline;
  if (!asksForChanges(pipeline) || !hasChanges(facts.build)) {
    return Object.fromEntries(projects.map(({ name }) => [name, null]));
  }
  const { sha, passedAt, build } = facts;
  const known = new Map<string, Promise<string[] | null>>();
  const since = (from: string): Promise<string[] | null> => {
    const files = known.get(from) ?? filesBetween(git, { gitDir, from, to: sha }, signal);
    known.set(from, files);
    return files;
  };
  const left = once(() => whereItLeft(git, gitDir, facts, signal));

  const changes = projects.map(async ({ name }) => {
    const passed = build.pullRequest === null ? passedAt[name] : undefined;
    const isBefore =
      passed !== undefined && (await isAncestor(git, { gitDir, from: passed, to: sha }, signal));
    // After a force push nobody can say what the branch had before.
    if (passed !== undefined && !isBefore) return [name, null] as const;
    const from = passed ?? (await left());
    return [name, from === undefined ? null : await since(from)] as const;
  });
  return Object.fromEntries(await Promise.all(changes));
}

/** Without projects and without a rule about paths nobody reads the answer. */
export function asksForChanges({ projects, when }: Pipeline): boolean {
  if (when.paths !== null) return true;
  return (
    projects.length > 1 || projects.some((project) => project.name !== "" || hasPaths(project))
  );
}

function hasPaths({ only, tests, packages }: Project): boolean {
  const rules: readonly (Only | null)[] = [only, ...[...tests, ...packages].map((one) => one.only)];
  return rules.some((rule) => rule?.paths != null);
}

/** Of tags, schedules and builds that a person asked for, everything counts as changed. */
function hasChanges({ ref, event, pullRequest }: ChangesFacts["build"]): boolean {
  if (pullRequest !== null) return true;
  return (event === "push" || event === "rerun") && ref.startsWith("refs/heads/");
}

async function whereItLeft(
  git: Git,
  gitDir: string,
  { build, sha, headOf }: ChangesFacts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const base = build.pullRequest?.baseBranch ?? build.defaultBranch;
  if (base === null || build.ref === `refs/heads/${base}`) return undefined;
  const head = await headOf(base);
  if (head === undefined) return undefined;
  const args = ["merge-base", "--end-of-options", head, sha];
  const printed = await orNothing(git.run(args, { gitDir, signal }));
  return printed?.toString().trim() || undefined;
}

interface Range {
  readonly gitDir: string;
  readonly from: string;
  readonly to: string;
}

async function isAncestor(
  git: Git,
  { gitDir, from, to }: Range,
  signal: AbortSignal,
): Promise<boolean> {
  const args = ["merge-base", "--is-ancestor", "--end-of-options", from, to];
  return (await orNothing(git.run(args, { gitDir, signal }))) !== undefined;
}

async function filesBetween(
  git: Git,
  { gitDir, from, to }: Range,
  signal: AbortSignal,
): Promise<string[] | null> {
  // A renamed file is a change in both places.
  const args = [
    "diff-tree",
    "-r",
    "-z",
    "--name-only",
    "--no-renames",
    "--end-of-options",
    from,
    to,
  ];
  const printed = await orNothing(git.run(args, { gitDir, signal }));
  const files = printed
    ?.toString()
    .split("\0")
    .filter((path) => path !== "");
  if (files === undefined || files.length > CHANGES_MAX) return null;
  return files.some((path) => path.length > PATH_BYTES_MAX) ? null : files;
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  return await work.catch((err: unknown) => {
    if (err instanceof GitFailed) return undefined;
    throw err;
  });
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let begun: Promise<T> | undefined;
  return () => (begun ??= work());
}
