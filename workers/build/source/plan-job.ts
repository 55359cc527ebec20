import { pipelineFileCard } from "../../../src/domain/failure-card.ts";
import type { FailureCard } from "../../../src/domain/failure-card.ts";
import { PIPELINE_FILE } from "../../../src/domain/pipeline.ts";
import type { CommitTree, Pipeline } from "../../../src/domain/pipeline.ts";
import { FILE_SHOWN_MAX, PROBLEMS_SHOWN_MAX } from "../../../src/shared/build-messages.ts";
import type { BuildGrant, EndMessage, PlanMessage } from "../../../src/shared/build-messages.ts";
import { INSTANT_MAX } from "../../../src/shared/message-parts.ts";
import { textForDisplay } from "../../../src/shared/pipeline-encoding.ts";
import { filesToRead, readPipeline } from "../../../src/shared/pipeline-file.ts";
import type { CheckedOut } from "../steps/checkout.ts";
import { readChanges } from "./changes.ts";
import { readCommit } from "./commit.ts";
import type { Commit } from "./commit.ts";
import type { Git } from "./git.ts";
import type { Mirrors } from "./mirrors.ts";

export type JobPlan =
  | { readonly kind: "plan"; readonly message: PlanMessage }
  | {
      readonly kind: "invalid";
      readonly failure: FailureCard;
      readonly file: NonNullable<EndMessage["file"]>;
    };

export interface PlanDeps {
  readonly git: Git;
  readonly mirrors: Mirrors;
}

/** What the commit asks for, read from its pipeline file or guessed from what else it holds. */
export async function planJob(
  grant: BuildGrant,
  { commit, mirror }: CheckedOut,
  deps: PlanDeps,
  signal: AbortSignal,
): Promise<JobPlan> {
  const bytes = await readFile(grant, commit, deps, signal);
  const names = { ...grant.names, repo: grant.build.repo };
  const reading = readPipeline(bytes, await withTexts(bytes, commit, signal), names);
  if (reading.kind === "invalid") {
    return {
      kind: "invalid",
      failure: pipelineFileCard({ ...reading, step: null }),
      file: {
        name: reading.file,
        text: textForDisplay(bytes ?? Buffer.alloc(0)).slice(0, FILE_SHOWN_MAX),
        problems: reading.problems.slice(0, PROBLEMS_SHOWN_MAX),
      },
    };
  }
  const file = bytes && { name: PIPELINE_FILE, text: textForDisplay(bytes) };
  if (reading.kind === "nothing-to-do") {
    const said = { pipeline: NOTHING, changes: { "": null }, warnings: [], note: null };
    return planOf(commit, { ...said, file: file ?? null, nothingToDo: reading.reason });
  }
  const { pipeline, note, warnings } = reading;
  const { build, passedAt, clone } = grant;
  const headOf = (branch: string) => {
    return deps.mirrors.headOf(branch, { repo: build.repo, ...clone }, signal);
  };
  const facts = { build, sha: commit.sha, passedAt, headOf };
  const { gitDir } = mirror;
  const changes = await readChanges(pipeline, facts, { git: deps.git, gitDir }, signal);
  return planOf(commit, {
    pipeline,
    changes,
    warnings: [...warnings],
    note,
    file: file ?? null,
    nothingToDo: null,
  });
}

/** Undefined: the commit has no such file. A fork's pull request is built by its base's file. */
async function readFile(
  { build, clone, fileSha }: BuildGrant,
  commit: Commit,
  { git, mirrors }: PlanDeps,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  if (fileSha === null || fileSha === commit.sha) return await readFrom(commit, signal);
  const branch = build.pullRequest?.baseBranch ?? build.defaultBranch;
  const ref = branch === null ? build.ref : `refs/heads/${branch}`;
  const mirror = await mirrors.fetch({ repo: build.repo, ref, sha: fileSha, ...clone }, signal);
  return await readFrom(await readCommit(git, mirror, signal), signal);
}

export async function readFrom(commit: Commit, signal: AbortSignal): Promise<Buffer | undefined> {
  if (!commit.has(PIPELINE_FILE)) return undefined;
  return await commit.readFile(PIPELINE_FILE, signal);
}

/** The commit with the text of those files that what is asked for depends on, such as Dockerfiles. */
export async function withTexts(
  bytes: Buffer | undefined,
  commit: Commit,
  signal: AbortSignal,
): Promise<CommitTree> {
  const texts = new Map<string, string>();
  for (const path of filesToRead(bytes, commit)) {
    const text = await commit.readFile(path, signal);
    texts.set(path, text.toString());
  }
  const { shortSha, tags } = commit;
  return {
    has: (path) => commit.has(path),
    files: () => commit.files(),
    shortSha,
    tags,
    read: (path) => texts.get(path),
  };
}

function planOf(
  { subject, authorName, committedAtSeconds }: Commit,
  said: Omit<PlanMessage, "commit" | "pipeline"> & { readonly pipeline: Pipeline },
): JobPlan {
  const message = {
    ...said,
    commit: {
      subject: subject.slice(0, 1_000),
      authorName: authorName.slice(0, 300),
      // git takes any number for a date; nobody's build is to fail for it.
      committedAt: Math.min(Math.max(0, committedAtSeconds * 1_000), INSTANT_MAX),
    },
  };
  // The message's lists may be written to, the domain's may not; nobody writes to either.
  return { kind: "plan", message: message as PlanMessage };
}

const NOTHING: Pipeline = {
  when: { branches: null, tags: null, pullRequests: null, paths: null, schedule: [] },
  onNewerPush: null,
  checkout: { submodules: false, lfs: false },
  runAllOn: [],
  projects: [
    {
      name: "",
      path: "",
      also: [],
      needs: [],
      only: null,
      image: { kind: "base" },
      services: [],
      tests: [],
      packages: [],
      publish: [],
    },
  ],
};
