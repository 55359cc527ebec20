import { sql, type SqlBool } from "kysely";
import { describeStatus, STATUS_CONTEXT } from "../../domain/commit-status.ts";
import {
  answerOfPost,
  GIVE_UP_MS,
  givenUp,
  leaseStatus,
  nextStatus,
  type StatusRecord,
} from "../../domain/life/status.ts";
import type { BuildEvent } from "../../domain/pipeline.ts";
import { FORGES, type ForgeName } from "../../domain/push.ts";
import type { State } from "../../domain/states.ts";
import type { ReportAnswer, WantedStatus } from "../../shared/report-messages.ts";
import { insertRow } from "./insert-row.ts";
import type { Reader, Tx } from "./store.ts";

const CLAIM_MAX = 16;
/** Each status that gets through brings so many forward that waited for the forge: none at once for all. */
const BROUGHT_FORWARD_MAX = 64;

/** What the outbox needs of a build to say its state on the commit. */
export interface Reportable {
  readonly id: string;
  readonly forge: ForgeName;
  readonly repo: string;
  readonly number: number;
  readonly sha: string | null;
  readonly event: BuildEvent;
}

/**
 * Wants the build's state shown on its commit, in the transaction that changes it. Per commit and
 * context only the newest wish is kept; an older build, or a `pending` after the final of the same
 * build, changes nothing. Returns the row's id when there is something new to say.
 */
export async function wantStatus(
  tx: Tx,
  build: Reportable,
  wish: { readonly state: State; readonly text: string },
): Promise<string | undefined> {
  // A tried commit is the person's own affair, even where it is one that everybody knows.
  if (build.sha === null || build.event === "try") return undefined;
  const now = tx.now();
  const said = {
    buildId: build.id,
    buildNumber: build.number,
    description: describeStatus(wish.text),
    targetUrl: tx.buildUrl(build.repo, build.number),
  };
  const key = { forge: build.forge, repo: build.repo, sha: build.sha, context: STATUS_CONTEXT };
  const asked = { buildId: build.id, buildNumber: build.number, state: wish.state };
  const first = nextStatus(undefined, asked, now);
  if (first === undefined) return undefined;
  const id = tx.newId("s");
  const row = { ...key, ...said, ...NEVER_SENT, ...first, id, createdAt: now };
  if (await insertRow(tx, "outbox", row, "or nothing")) return id;

  const current = await tx.db
    .selectFrom("outbox")
    .selectAll()
    .where("forge", "=", key.forge)
    .where("repo", "=", key.repo)
    .where("sha", "=", key.sha)
    .where("context", "=", key.context)
    .executeTakeFirstOrThrow();
  const next = nextStatus(current, asked, now);
  if (next === undefined) return undefined;
  const set = { ...said, ...next };
  await tx.db.updateTable("outbox").set(set).where("id", "=", current.id).execute();
  return current.id;
}

const NEVER_SENT = {
  sentVersion: 0,
  leaseToken: null,
  leaseUntilAt: 0,
  lastProblem: null,
  doubtUntilAt: 0,
  checkAt: null,
} as const satisfies Partial<StatusRecord>;

/** Hands out what is due, each row leased so that one poster at a time speaks for a commit. */
export async function claimStatuses(tx: Tx): Promise<readonly WantedStatus[]> {
  const now = tx.now();
  const credentials = await tx.db.selectFrom("credentials").selectAll().execute();
  const open: ForgeName[] = [];
  const probing: ForgeName[] = [];
  for (const forge of FORGES) {
    const credential = credentials.find((row) => row.forge === forge);
    if ((credential?.pausedUntilAt ?? 0) > now) continue;
    // A refused credential is tried again with a single row; the alarm stays until one is accepted.
    (credential?.parkedReason ? probing : open).push(forge);
  }
  const due = [
    ...(await dueRows(tx, open, CLAIM_MAX)),
    ...(await dueRows(tx, probing, probing.length)),
  ];
  const checks = await dueChecks(tx, open, CLAIM_MAX - due.length);
  const claimed: WantedStatus[] = [];
  for (const row of [...due, ...checks]) {
    const lease = tx.newId("l");
    await tx.db
      .updateTable("outbox")
      .set(leaseStatus(row, lease, now))
      .where("id", "=", row.id)
      .execute();
    const { id, forge, repo, sha, context, state, description, targetUrl, version, tries } = row;
    claimed.push({
      id,
      lease,
      forge,
      repo,
      sha,
      context,
      state,
      description,
      targetUrl,
      version,
      tries,
      isCheck: version === row.sentVersion,
    });
  }
  return claimed;
}

/**
 * What was sent while an older post might still arrive: once that can be no more, the forge is looked
 * at, and told again if it shows the older one.
 */
async function dueChecks(tx: Tx, forges: readonly ForgeName[], limit: number) {
  if (forges.length === 0 || limit <= 0) return [];
  const now = tx.now();
  return await tx.db
    .selectFrom("outbox")
    .selectAll()
    .where("checkAt", "is not", null)
    .where("checkAt", "<=", now)
    .whereRef("version", "=", "sentVersion")
    .where("leaseUntilAt", "<=", now)
    .where("forge", "in", forges)
    .orderBy("checkAt")
    .limit(limit)
    .execute();
}

async function dueRows(tx: Tx, forges: readonly ForgeName[], limit: number) {
  if (forges.length === 0) return [];
  const now = tx.now();
  return await tx.db
    .selectFrom("outbox")
    .selectAll()
    .whereRef("version", ">", "sentVersion")
    .where("terminalReason", "is", null)
    .where("nextTryAt", "<=", now)
    .where("leaseUntilAt", "<=", now)
    .where("forge", "in", forges)
    // After an outage the newest builds are what people look at.
    .orderBy("updatedAt", "desc")
    .limit(limit)
    .execute();
}

/** Records how a post ended. Returns false when the lease is not the row's any more. */
export async function answerStatus(tx: Tx, id: string, answer: ReportAnswer): Promise<boolean> {
  const now = tx.now();
  const row = await tx.db
    .selectFrom("outbox")
    .selectAll()
    .where("id", "=", id)
    .where("leaseToken", "=", answer.lease)
    .executeTakeFirst();
  if (row === undefined) return false;
  const answered = answerOfPost(row, answer, now);
  if (answered === undefined) return false;
  const { set, credential } = answered;
  await tx.db.updateTable("outbox").set(set).where("id", "=", id).execute();
  if (credential?.kind === "good") {
    await acceptCredential(tx, row.forge);
    await bringForward(tx, row.forge);
  } else if (credential?.kind === "hold") {
    await holdCredential(tx, row.forge, credential.untilAt, credential.parkedReason);
    if (credential.parkedReason !== null) await giveUpOld(tx, row.forge, credential.parkedReason);
  }
  return true;
}

/** The forge answers again: what waited for that need not wait longer, newest first. */
async function bringForward(tx: Tx, forge: ForgeName): Promise<void> {
  const waiting = await tx.db
    .selectFrom("outbox")
    .select("id")
    .where("forge", "=", forge)
    .where(sql<SqlBool>`"waitsForForge" = 1`)
    .orderBy("updatedAt", "desc")
    .limit(BROUGHT_FORWARD_MAX)
    .execute();
  if (waiting.length === 0) return;
  const ids = waiting.map(({ id }) => id);
  await tx.db
    .updateTable("outbox")
    .set({ nextTryAt: tx.now(), waitsForForge: 0 })
    .where("id", "in", ids)
    .execute();
}

/** The credential is good. A pause that the forge asked for meanwhile is kept all the same. */
async function acceptCredential(tx: Tx, forge: ForgeName): Promise<void> {
  await tx.db
    .deleteFrom("credentials")
    .where("forge", "=", forge)
    .where(({ or, eb }) =>
      or([eb("parkedReason", "is not", null), eb("pausedUntilAt", "<=", tx.now())]),
    )
    .execute();
}

/** While a credential is refused only the newest is tried: those that have waited too long end with it. */
async function giveUpOld(tx: Tx, forge: ForgeName, reason: string): Promise<void> {
  const now = tx.now();
  await tx.db
    .updateTable("outbox")
    .set({ ...givenUp(reason, now), lastProblem: reason })
    .where("forge", "=", forge)
    .whereRef("version", ">", "sentVersion")
    .where("terminalReason", "is", null)
    .where("updatedAt", "<", now - GIVE_UP_MS)
    .where("leaseUntilAt", "<=", now)
    .execute();
}

async function holdCredential(
  tx: Tx,
  forge: ForgeName,
  pausedUntilAt: number,
  parkedReason: string | null,
): Promise<void> {
  await tx.db
    .insertInto("credentials")
    .values({ forge, pausedUntilAt, parkedReason })
    .onConflict((conflict) => conflict.column("forge").doUpdateSet({ pausedUntilAt, parkedReason }))
    .execute();
}

/** Rows with something left to say, or to look at, now. */
export async function waitingStatusIds(tx: Reader, limit: number): Promise<string[]> {
  const checks = await tx.db
    .selectFrom("outbox")
    .select("id")
    .where("checkAt", "is not", null)
    .where("checkAt", "<=", tx.now())
    .limit(limit)
    .execute();
  const rows = await tx.db
    .selectFrom("outbox")
    .select("id")
    .whereRef("version", ">", "sentVersion")
    .where("terminalReason", "is", null)
    .where("nextTryAt", "<=", tx.now())
    .orderBy("updatedAt", "desc")
    .limit(limit)
    .execute();
  return [...rows, ...checks].slice(0, limit).map(({ id }) => id);
}
