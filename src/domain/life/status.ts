import { COMMIT_STATE, mayReplace, type CommitState } from "../commit-status.ts";
import type { State } from "../states.ts";

/** A worker that posts has this long; then another may. */
export const STATUS_LEASE_MS = 30_000;
/** After so long a status is not tried any more. */
export const GIVE_UP_MS = 7 * 24 * 3_600_000;
/** While a credential is refused, one row an interval finds out whether it was replaced. */
export const PARKED_RETRY_MS = 60_000;
/** A post that nobody answered may still be on its way to the forge, or in its works, for so long. */
export const DOUBT_MS = 60_000;

/** What the forge should show of a commit, and how far that is done. */
export interface StatusRecord {
  readonly buildId: string;
  readonly buildNumber: number;
  readonly state: CommitState;
  /** Grows with each new wish. */
  readonly version: number;
  readonly sentVersion: number;
  readonly tries: number;
  readonly nextTryAt: number;
  readonly leaseToken: string | null;
  readonly leaseUntilAt: number;
  readonly lastProblem: string | null;
  /** Set when the forge will never take it. */
  readonly terminalReason: string | null;
  /** When that was found out. */
  readonly terminalAt: number | null;
  /** Until then, an older post that nobody answered may still arrive at the forge. */
  readonly doubtUntilAt: number;
  /** When to look whether the forge still shows what was sent; null: no need. */
  readonly checkAt: number | null;
  /** 1: tried again sooner than `nextTryAt` once the forge answers anybody. */
  readonly waitsForForge: number;
  readonly updatedAt: number;
}

export interface StatusWish {
  readonly buildId: string;
  readonly buildNumber: number;
  readonly state: State;
}

export type NextStatus = Pick<
  StatusRecord,
  | "state"
  | "version"
  | "tries"
  | "nextTryAt"
  | "terminalReason"
  | "terminalAt"
  | "waitsForForge"
  | "updatedAt"
>;

/**
 * A build's state is wanted on its commit. Undefined: what is there says more, since it is a newer
 * build's, or this build has ended already and would be pending again (F47).
 */
export function nextStatus(
  current: StatusRecord | undefined,
  { buildId, buildNumber, state: wanted }: StatusWish,
  now: number,
): NextStatus | undefined {
  const state = COMMIT_STATE[wanted];
  if (current !== undefined) {
    // "Nothing to do" must not hide what another build of the commit has found out.
    if (wanted === "skipped" && current.buildId !== buildId) return undefined;
    if (!mayReplace(current, { buildNumber, state })) return undefined;
  }
  return {
    state,
    version: (current?.version ?? 0) + 1,
    tries: 0,
    nextTryAt: now,
    waitsForForge: 0,
    // What the forge would not take then it may take now: a commit it had not seen, a repo opened to us.
    terminalReason: null,
    terminalAt: null,
    updatedAt: now,
  };
}

/** Has it something left to say that nobody is saying? */
export function isDue(status: StatusRecord, now: number): boolean {
  return (
    status.version > status.sentVersion &&
    status.terminalReason === null &&
    status.nextTryAt <= now &&
    status.leaseUntilAt <= now
  );
}

/**
 * What was sent while an older post might still arrive: once that can be no more, the forge is looked
 * at, and told again if it shows the older one.
 */
export function isToBeChecked(status: StatusRecord, now: number): boolean {
  const { version, sentVersion, checkAt, leaseUntilAt } = status;
  return version === sentVersion && checkAt !== null && checkAt <= now && leaseUntilAt <= now;
}

/** One poster at a time speaks for a commit. */
export function leaseStatus(
  status: Pick<StatusRecord, "leaseToken">,
  lease: string,
  now: number,
): Partial<StatusRecord> {
  // Whoever had it before never said what became of its post.
  const doubt = status.leaseToken === null ? {} : { doubtUntilAt: now + DOUBT_MS };
  return { leaseToken: lease, leaseUntilAt: now + STATUS_LEASE_MS, ...doubt };
}

/** How a post ended, as its worker tells. */
export interface PostEnd {
  readonly lease: string;
  /** Which wish was posted. */
  readonly version: number;
  readonly result:
    | { readonly kind: "sent" }
    | { readonly kind: "terminal"; readonly reason: string }
    | { readonly kind: "parked"; readonly reason: string }
    | {
        readonly kind: "later";
        readonly afterMs: number;
        readonly reason: string;
        readonly wholeCredential: boolean;
        /** The forge did not answer: what was posted may still arrive there. */
        readonly isOutage?: boolean | undefined;
      };
}

export interface AnsweredStatus {
  readonly set: Partial<StatusRecord>;
  /** What it says of the forge's credential. */
  readonly credential:
    | { readonly kind: "good" }
    | { readonly kind: "hold"; readonly untilAt: number; readonly parkedReason: string | null }
    | null;
}

/** Undefined: the lease is not the row's any more, and what was posted is not what counts. */
export function answerOfPost(
  status: StatusRecord,
  { lease, version, result }: PostEnd,
  now: number,
): AnsweredStatus | undefined {
  if (status.leaseToken !== lease) return undefined;
  const free = { leaseToken: null, leaseUntilAt: 0 };
  switch (result.kind) {
    case "sent": {
      const checkAt = status.doubtUntilAt > now ? status.doubtUntilAt : null;
      const sent = { sentVersion: version, tries: 0, lastProblem: null, waitsForForge: 0, checkAt };
      return { set: { ...free, ...sent }, credential: { kind: "good" } };
    }
    case "terminal": {
      const { reason } = result;
      const isNewest = version === status.version;
      const ended = { lastProblem: reason, checkAt: null };
      const set = { ...free, ...ended, ...(isNewest && endedFor(reason, now)) };
      return { set, credential: null };
    }
    case "parked": {
      const { reason } = result;
      const untilAt = now + PARKED_RETRY_MS;
      const credential = { kind: "hold", untilAt, parkedReason: reason } as const;
      const old = isTooOld(status, now) ? givenUp(reason, now) : {};
      return { set: { ...free, lastProblem: reason, ...old }, credential };
    }
    case "later":
      // A worker that stops gives its rows back at once; nothing was tried then.
      return result.afterMs === 0 ? { set: free, credential: null } : later(status, result, now);
  }
}

/** Nobody looks for a status on a commit of last week any more. */
function isTooOld({ updatedAt }: Pick<StatusRecord, "updatedAt">, now: number): boolean {
  return now - updatedAt > GIVE_UP_MS;
}

/** What is kept of one that is not tried any more. */
export function givenUp(reason: string, now: number) {
  return endedFor(`Given up after 7 days: ${reason}`, now);
}

function endedFor(terminalReason: string, terminalAt: number) {
  return { terminalReason, terminalAt };
}

function later(
  status: StatusRecord,
  { afterMs, reason, wholeCredential, isOutage }: Extract<PostEnd["result"], { kind: "later" }>,
  now: number,
): AnsweredStatus {
  const mayStillArrive = isOutage === true;
  const untilAt = now + afterMs;
  return {
    set: {
      leaseToken: null,
      leaseUntilAt: 0,
      tries: status.tries + 1,
      nextTryAt: untilAt,
      lastProblem: reason,
      ...(isTooOld(status, now) && givenUp(reason, now)),
      waitsForForge: mayStillArrive ? 1 : 0,
      ...(mayStillArrive && { doubtUntilAt: now + DOUBT_MS }),
      ...(status.checkAt !== null && { checkAt: untilAt }),
    },
    credential: wholeCredential ? { kind: "hold", untilAt, parkedReason: null } : null,
  };
}
