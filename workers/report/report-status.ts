import { setTimeout as delay } from "node:timers/promises";
import { backoffMs } from "../../src/domain/backoff.ts";
import type { ForgeName } from "../../src/domain/push.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { Forge, PostResult } from "../../src/shared/forges/forge.ts";
import type { LogFields, Logger } from "../../src/shared/logger.ts";
import { PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { reportGrant } from "../../src/shared/report-messages.ts";
import type { ReportAnswer, WantedStatus } from "../../src/shared/report-messages.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { createAlarm } from "./alarm.ts";
import { createLanes } from "./lanes.ts";

export interface ReportDeps {
  readonly client: Pick<ServerClient, "ask" | "send">;
  readonly worker: string;
  /** A forge that is left out has no credential here. */
  readonly forges: Readonly<Partial<Record<ForgeName, Forge>>>;
  /** Monotonic. */
  readonly now: () => number;
  readonly random: () => number;
  readonly logger: Logger;
}

export interface Reporter {
  /** Claims until the server has nothing more to say. What was claimed is posted meanwhile. */
  claimAll(): Promise<void>;
  /** Gives posts that are under way a moment to end, then aborts them. */
  close(): Promise<void>;
}

type Result = ReportAnswer["result"];

const POSTS_MAX = 16;
/**
 * A post that is begun later than this after the claim, and takes the ten seconds that it may, could
 * end after the lease of 30 s: another worker may have said something newer by then.
 */
const GRANT_FRESH_MS = 18_000;
/** A refused credential is not tried again for each row that was claimed with the first. */
const REFUSED_PAUSE_MS = 30_000;
const CLOSE_POLITELY_MS = 6_000;

const NO_CREDENTIAL = {
  github: "TATARA_GITHUB_STATUS_TOKEN is not set for the report worker",
  own: "the own remote is not set up for the report worker",
} as const satisfies Record<ForgeName, string>;

/**
 * Says what the outbox wants said: claim → post → answer. All decisions about commit statuses that
 * are not the server's are made here; the outbox owns the retries, so nothing is tried again here.
 */
export function statusReporter(deps: ReportDeps, stop: AbortSignal): Reporter {
  const { client, forges, now, random, logger } = deps;
  const lanes = createLanes(POSTS_MAX);
  const pauses = new Map<ForgeName, { readonly untilAt: number; readonly result: Result }>();
  const logResult = resultLog(logger);
  const posting = new AbortController();
  const alarm = createAlarm(now, () => void claimAgain());

  const claimAll = async (): Promise<void> => {
    const claim = {
      path: PATHS.reportClaim(),
      json: { worker: deps.worker, protocol: PROTOCOL },
      answer: reportGrant,
    };
    while (!stop.aborted) {
      await lanes.room();
      if (stop.aborted) return;
      // The lease began after we asked, so counted from here it never ends later than we think.
      const freshUntilAt = now() + GRANT_FRESH_MS;
      const grant = await client.ask(claim, posting.signal);
      if (grant === undefined || grant.rows.length === 0) return;
      for (const row of grant.rows) lanes.add(keyOf(row), () => report(row, freshUntilAt));
    }
  };

  const report = async (row: WantedStatus, freshUntilAt: number): Promise<void> => {
    const { repo, sha, context, state } = row;
    const startedAt = now();
    try {
      const result = await decide(row, freshUntilAt);
      if (result === undefined) return;
      const json = { lease: row.lease, version: row.version, result } satisfies ReportAnswer;
      const path = PATHS.reportAnswer(row.id);
      await client.send({ path, json, leaseToken: row.lease }, posting.signal);
      const durationMs = Math.round(now() - startedAt);
      logResult(result, { forge: row.forge, repo, sha, context, state, durationMs });
      if (result.kind === "later") alarm.ringIn(result.afterMs);
    } catch (err) {
      // The row's lease ends by itself, and the outbox offers it again.
      if (err instanceof Stopped) logger.info({ err, repo, sha, context }, "Status let go");
      else logger.error({ err, repo, sha, context }, "Status could not be reported");
    }
  };

  /** What becomes of one wish; undefined if it is too old to be acted upon. */
  const decide = async (row: WantedStatus, freshUntilAt: number): Promise<Result | undefined> => {
    if (stop.aborted) return later(0, false, "the report worker stops");
    if (now() > freshUntilAt) return undefined;
    const pause = pauses.get(row.forge);
    if (pause !== undefined && pause.untilAt > now()) return resumed(pause, now());
    const forge = forges[row.forge];
    if (forge === undefined) return { kind: "parked", reason: NO_CREDENTIAL[row.forge] };

    const isFresh = () => now() <= freshUntilAt;
    const result = resultOf(await say(row, forge, isFresh, posting.signal), row.tries, random());
    const pauseMs = pauseOf(result);
    if (pauseMs > 0) pauses.set(row.forge, { untilAt: now() + pauseMs, result });
    return result;
  };

  const claimAgain = async (): Promise<void> => {
    await claimAll().catch((err: unknown) => logger.debug({ err }, "Nothing claimed"));
  };

  return {
    claimAll,
    close: async () => {
      alarm.silence();
      await Promise.race([lanes.idle(), delay(CLOSE_POLITELY_MS, undefined, { ref: false })]);
      posting.abort(new Stopped("shutdown"));
      await lanes.idle();
    },
  };
}

function keyOf({ forge, repo, sha, context }: WantedStatus): string {
  return [forge, repo, sha, context].join(" ");
}

/** A `pending` that was on its way for long may arrive after the final state: look, say it again. */
async function say(
  row: WantedStatus,
  forge: Forge,
  isFresh: () => boolean,
  signal: AbortSignal,
): Promise<PostResult> {
  if (row.isCheck === true) return await check(row, forge, signal);
  const result = await forge.postStatus(row, signal);
  if (result.kind !== "sent" || row.state === "pending") return result;
  const shown = await forge.readState(row, signal);
  if (shown === undefined || shown === row.state || !isFresh()) return result;
  return await forge.postStatus(row, signal);
}

/** Said before: only what the forge does not show any more is said again. */
async function check(row: WantedStatus, forge: Forge, signal: AbortSignal): Promise<PostResult> {
  const shown = await forge.readState(row, signal);
  return shown === row.state ? { kind: "sent" } : await forge.postStatus(row, signal);
}

function resultOf(result: PostResult, tries: number, random: number): Result {
  if (result.kind === "wait") return later(result.afterMs, true, result.reason);
  if (result.kind === "unavailable") {
    const { isOutage, reason } = result;
    return { ...later(backoffMs(tries, random), false, reason), isOutage };
  }
  return result.kind === "refused" ? { kind: "parked", reason: result.reason } : result;
}

function later(
  afterMs: number,
  wholeCredential: boolean,
  reason: string,
): Extract<Result, { kind: "later" }> {
  return { kind: "later", afterMs: Math.ceil(afterMs), wholeCredential, reason };
}

/** How long nothing more is said with this forge's credential. */
function pauseOf(result: Result): number {
  if (result.kind === "parked") return REFUSED_PAUSE_MS;
  return result.kind === "later" && result.wholeCredential ? result.afterMs : 0;
}

function resumed(pause: { untilAt: number; result: Result }, now: number): Result {
  if (pause.result.kind !== "later") return pause.result;
  return { ...pause.result, afterMs: Math.ceil(pause.untilAt - now) };
}

interface PostFacts extends LogFields {
  readonly forge: ForgeName;
}

/** The server tries a refused credential every minute; one alarm for each is enough. */
function resultLog(logger: Logger): (result: Result, facts: PostFacts) => void {
  const alarmed = new Set<ForgeName>();
  return (result, facts) => {
    const fields = { ...facts, ...result };
    if (result.kind === "sent") logger.info(fields, "Status posted");
    else if (result.kind === "later") logger.warn(fields, "Status will be tried again");
    else if (result.kind === "terminal") logger.warn(fields, "Status given up");
    else if (!alarmed.has(facts.forge)) logger.error(fields, "Statuses cannot be posted");
    if (result.kind === "parked") alarmed.add(facts.forge);
    if (result.kind === "sent") alarmed.delete(facts.forge);
  };
}
