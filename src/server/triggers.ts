import { paramsProblem } from "../domain/build-params.ts";
import { isRefName, isSha, type ForgeName } from "../domain/push.ts";
import type { Announcer } from "./announcer.ts";
import type { GitHeads } from "./git-heads.ts";
import type { CommitFacts, GitRepos } from "./git-repos.ts";
import { bumpBuild, clearCaches, insertManualBuild, wasOnRef } from "./store/manual-builds.ts";
import { approveBuild, type ApproveResult } from "./store/pull-requests.ts";
import type { Store } from "./store/store.ts";

/** What a person asks to be built. */
export interface BuildWish {
  readonly repo: string;
  /** `main`, `v1.2.0` or a whole ref; undefined: the default branch. */
  readonly ref?: string | undefined;
  /** A commit of that ref; undefined: the newest. */
  readonly sha?: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly isFresh: boolean;
  readonly by: string;
}

/** Why nothing was done, for whoever asked. */
export interface RefusedWish {
  readonly status: 400 | 404 | 409 | 503;
  readonly error: string;
  readonly hint: string;
}

export type BuildAnswer =
  | { readonly id: string; readonly number: number }
  | { readonly refused: RefusedWish };

/** What people start, allow and push forward. */
export interface Triggers {
  build(wish: BuildWish): Promise<BuildAnswer>;
  approve(
    buildId: string,
    wish: { readonly withItsFile: boolean; readonly by: string },
  ): Promise<ApproveResult["kind"]>;
  /** False: nothing of it waits. */
  bump(buildId: string): Promise<boolean>;
  /** Undefined: there is no such repo. */
  clearCaches(repo: string): Promise<number | undefined>;
  knowsRepo(repo: string): Promise<boolean>;
}

export interface TriggersDeps {
  readonly store: Store;
  readonly heads: GitHeads;
  readonly repos: Pick<GitRepos, "isAncestor" | "resolve">;
  readonly announcer: Announcer;
  readonly waitingBuildsMax: number;
}

export function openTriggers(deps: TriggersDeps): Triggers {
  const { store, announcer, waitingBuildsMax } = deps;
  return {
    build: async (wish) => {
      const problem = paramsProblem(wish.params);
      if (problem !== undefined) return refuse(400, problem, "Nothing was built.");
      const repo = await findRepo(store, wish.repo);
      if (repo === undefined) {
        return refuse(404, `There is no repo ${wish.repo} here.`, "Its first push makes it known.");
      }
      const found = await commitOf(deps, repo, wish);
      if ("refused" in found) return found;
      const { params, isFresh, by } = wish;
      const { name, forge, defaultBranch } = repo;
      const facts = { ...found, repo: name, forge, defaultBranch, params, isFresh, by };
      const made = await store.write((tx) => insertManualBuild(tx, facts, { waitingBuildsMax }));
      if (typeof made === "string") return refuse(409, made, "Cancel some, or wait.");
      announcer.announce({ ...made, buildId: made.build.id });
      return { id: made.build.id, number: made.build.number };
    },
    approve: async (buildId, wish) => {
      const result = await store.write((tx) => approveBuild(tx, buildId, wish));
      if (result.kind === "approved") announcer.announce(result);
      return result.kind;
    },
    bump: async (buildId) => {
      const isBumped = await store.write((tx) => bumpBuild(tx, buildId));
      if (isBumped) announcer.announce({ buildId });
      return isBumped;
    },
    knowsRepo: async (repo) => (await findRepo(store, repo)) !== undefined,
    clearCaches: (repo) => store.write((tx) => clearCaches(tx, repo)),
  };
}

function refuse(status: RefusedWish["status"], error: string, hint: string) {
  return { refused: { status, error, hint } } as const;
}

interface KnownRepo {
  readonly name: string;
  readonly forge: ForgeName;
  readonly defaultBranch: string | null;
}

async function findRepo({ db }: Store, name: string): Promise<KnownRepo | undefined> {
  const query = db.selectFrom("repos").select(["name", "forge", "defaultBranch"]);
  return await query.where("name", "=", name).executeTakeFirst();
}

type Found = { readonly ref: string; readonly commit: CommitFacts };

async function commitOf(
  deps: TriggersDeps,
  repo: KnownRepo,
  { ref: given = repo.defaultBranch ?? "", sha }: BuildWish,
): Promise<Found | { readonly refused: RefusedWish }> {
  if (sha !== undefined && !isSha(sha)) {
    return refuse(400, `${sha} is no whole commit id.`, "40 or 64 hex digits are expected.");
  }
  const refs = refsNamed(given);
  if (refs.length === 0) {
    return refuse(400, `"${given}" names no branch or tag.`, "Such as main, v1.2.0, refs/heads/x.");
  }
  for (const ref of refs) {
    const head = await deps.heads.headOf(repo, ref).catch(() => "unreachable" as const);
    if (head === "unreachable") {
      return refuse(503, `${repo.name} could not be asked for ${ref}.`, "Try again in a minute.");
    }
    if (head === undefined) continue;
    if (sha === undefined || sha === head.sha) return { ref, commit: head };
    return await olderCommit(deps, repo, { ref, sha, head });
  }
  return refuse(404, `${repo.name} has no branch or tag ${given}.`, "Is it pushed?");
}

function refsNamed(text: string): readonly string[] {
  const refs = text.startsWith("refs/") ? [text] : [`refs/heads/${text}`, `refs/tags/${text}`];
  return refs.filter(isRefName);
}

/**
 * A forge also hands out commits of forks by their id, so that a commit is on a ref must be known: a
 * stranger's would be built with the ref's rights.
 */
async function olderCommit(
  { store, repos }: TriggersDeps,
  { name, forge }: KnownRepo,
  { ref, sha, head }: { readonly ref: string; readonly sha: string; readonly head: CommitFacts },
): Promise<Found | { readonly refused: RefusedWish }> {
  if (forge === "own" && (await repos.isAncestor(name, sha, head.sha))) {
    const commit = await repos.resolve(name, sha);
    if (commit !== undefined) return { ref, commit };
  }
  if (forge !== "own" && (await wasOnRef(store, { repo: name, ref, sha }))) {
    return { ref, commit: { sha, message: "", authorName: "" } };
  }
  const short = sha.slice(0, 7);
  const hint = "Name the branch or tag that has it: --ref, or `ref` in the API.";
  return refuse(409, `${short} is not known to be on ${ref}.`, hint);
}
