/** The forges a delivery can come from; `own` is Tatara's own git remote. */
export const FORGES = ["github", "own"] as const;
export type ForgeName = (typeof FORGES)[number];

/** Fixed at intake from ids that the forge vouches for, and never raised afterwards. */
export const TRUST_CLASSES = ["trusted", "internal-pr", "fork-pr", "manual"] as const;
export type TrustClass = (typeof TRUST_CLASSES)[number];

/** The verified facts of one push. */
export interface Push {
  readonly forge: ForgeName;
  /** `owner/name`. */
  readonly repo: string;
  /** Full ref: `refs/heads/main`, `refs/tags/v1`. */
  readonly ref: string;
  /** Sha before the push; all zeros when the ref is new. */
  readonly before: string;
  /** Sha that the ref names now (of a tag object for an annotated tag); all zeros: deleted. */
  readonly after: string;
  /** The commit to build: `after` with annotated tags peeled. Undefined when deleted or not yet known. */
  readonly sha: string | undefined;
  readonly pusher: string;
  readonly trust: TrustClass;
  /** Default branch without `refs/heads/`, as far as the forge told it. */
  readonly defaultBranch: string | undefined;
  /** First line and body of the newest commit's message; empty when unknown. */
  readonly message: string;
  readonly authorName: string;
  /** The push replaced commits instead of adding to them, as far as the forge said; absent: it did not. */
  readonly isForced?: boolean;
  /** A working tree that somebody only tries: nothing of it is ever published. */
  readonly tried?: TryWish;
}

/** What a `tatara try` asks for. */
export interface TryWish {
  /** Null: all that is no publish. */
  readonly steps: readonly string[] | null;
  readonly isFresh: boolean;
}

/** The verified facts of a pull request whose head is new here, or that has ended. */
export interface PullRequest {
  readonly forge: ForgeName;
  /** The repo that it is for. */
  readonly repo: string;
  readonly number: number;
  readonly action: "opened" | "updated" | "closed";
  readonly baseBranch: string;
  readonly baseSha: string;
  readonly headBranch: string;
  readonly headSha: string;
  /** The head before this; null where there was none. */
  readonly before: string | null;
  readonly title: string;
  /** By the ids of both repos: commits come from elsewhere. */
  readonly isFork: boolean;
  /** Who pushed or opened. */
  readonly sender: string;
  /** The forge knows its author as one who may write or has had work merged, and that is the sender. */
  readonly isAuthorKnown: boolean;
  readonly defaultBranch: string;
}

export function pullRequestRef(number: number): string {
  return `refs/pull/${number}/head`;
}

export function pullRequestOf(ref: string): number | undefined {
  const number = /^refs\/pull\/([1-9]\d{0,8})\/head$/.exec(ref)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** What becomes of a push: a build, or a row that says why there is none. */
export type PushDecision =
  | { readonly kind: "build" }
  | { readonly kind: "skip"; readonly reason: string; readonly hasCommit: boolean };

export const ZERO_SHA = /^0+$/;
const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const REPO = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;
const SKIP_MARKER = /\[(?:skip ci|ci skip|no ci|skip tatara)\]/i;

export function isSha(text: string): boolean {
  return SHA.test(text);
}

/** `owner/name` as it may become a path: no leading dot or dash, no `..`, no `.git` or `.lock` end. */
export function isRepoName(text: string): boolean {
  return REPO.test(text) && !/\.(?:git|lock)$|\.\./i.test(text);
}

/** A branch or tag ref by git's own rules (git-check-ref-format), stricter where a shell or page could trip. */
export function isRefName(ref: string): boolean {
  if (!/^refs\/(?:heads|tags)\/[^/].*$/.test(ref) || ref.length > 255) return false;
  // oxlint-disable-next-line no-control-regex -- control bytes are what is refused here
  if (/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\.$|\/$/.test(ref)) return false;
  return ref.split("/").every((part) => !/^[.-]|\.lock$/.test(part));
}

const TRY_REF = /^refs\/tatara\/try\/[a-z0-9]{16,40}$/;

/** A ref of the own remote that one `tatara try` has to itself, until its build has ended. */
export function isTryRef(ref: string): boolean {
  return TRY_REF.test(ref);
}

export function tryRef(random: string): string {
  return `refs/tatara/try/${random}`;
}

export function branchOf(ref: string): string | undefined {
  return ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : undefined;
}

export function tagOf(ref: string): string | undefined {
  return ref.startsWith("refs/tags/") ? ref.slice("refs/tags/".length) : undefined;
}

/** `main` or `v1.2.0`: how a ref is shown to people. */
export function shortRef(ref: string): string {
  if (isTryRef(ref)) return "a try";
  const pull = pullRequestOf(ref);
  return branchOf(ref) ?? tagOf(ref) ?? (pull === undefined ? ref : `pull request ${pull}`);
}

/**
 * Decides whether a push is worth a look at its pipeline file, which then says whether it is built:
 * only the file knows which branches `when` names.
 */
export function decidePush(push: Push): PushDecision {
  const branch = branchOf(push.ref);
  if (ZERO_SHA.test(push.after)) {
    const what = branch === undefined ? "tag" : "branch";
    return { kind: "skip", reason: `${what} deleted`, hasCommit: false };
  }
  if (SKIP_MARKER.test(push.message)) {
    return { kind: "skip", reason: "skip marker in the commit message", hasCommit: true };
  }
  return { kind: "build" };
}
