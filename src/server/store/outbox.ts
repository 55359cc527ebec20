import {
  COMMIT_STATE,
  describeStatus,
  mayReplace,
  STATUS_CONTEXT,
} from "../../domain/commit-status.ts";
import type { BuildEvent } from "../../domain/pipeline.ts";
import { FORGES, type ForgeName } from "../../domain/push.ts";
import type { State } from "../../domain/states.ts";
import type { ReportAnswer, WantedStatus } from "../../shared/report-messages.ts";
import type { Reader, Tx } from "./store.ts";

const LEASE_MS = 30_000;
const CLAIM_MAX = 16;
const GIVE_UP_MS = 7 * 24 * 3_600_000;
/** While a credential is refused, one row an interval finds out whether it was replaced. */
const PARKED_RETRY_MS = 60_000;

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
  const state = COMMIT_STATE[wish.state];
  const said = {
    buildId: build.id,
    buildNumber: build.number,
    state,
    description: describeStatus(wish.text),
    targetUrl: tx.buildUrl(build.repo, build.number),
  };
  const key = { forge: build.forge, repo: build.repo, sha: build.sha, context: STATUS_CONTEXT };
  const inserted = await tx.db
    .insertInto("outbox")
    .values({
      ...key,
      ...said,
      id: tx.newId("s"),
      version: 1,
      sentVersion: 0,
      tries: 0,
      nextTryAt: now,
      leaseToken: null,
      leaseUntilAt: 0,
      lastProblem: null,
      terminalReason: null,
      createdAt: now,
      updatedAt: now,
    })
    .onConflict((conflict) => conflict.columns(["forge", "repo", "sha", "context"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted !== undefined) return inserted.id;

  const current = await tx.db
    .selectFrom("outbox")
    .selectAll()
    .where("forge", "=", key.forge)
    .where("repo", "=", key.repo)
    .where("sha", "=", key.sha)
    .where("context", "=", key.context)
    .executeTakeFirstOrThrow();
  // "Nothing to do" must not hide what another build of the commit has found out.
  if (wish.state === "skipped" && current.buildId !== build.id) return undefined;
  const next = { buildNumber: build.number, state };
  if (!mayReplace(current, next)) return undefined;
  await tx.db
    .updateTable("outbox")
    .set({
      ...said,
      version: current.version + 1,
      tries: 0,
      nextTryAt: now,
      // What the forge would not take then it may take now: a commit it had not seen, a repo opened to us.
      terminalReason: null,
      updatedAt: now,
    })
    .where("id", "=", current.id)
    .execute();
  return current.id;
}

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
  const claimed: WantedStatus[] = [];
  for (const row of due) {
    const lease = tx.newId("l");
    await tx.db
      .updateTable("outbox")
      .set({ leaseToken: lease, leaseUntilAt: now + LEASE_MS })
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
    });
  }
  return claimed;
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
  const { result } = answer;
  const set = (values: Partial<typeof row>) =>
    tx.db
      .updateTable("outbox")
      .set({ leaseToken: null, leaseUntilAt: 0, ...values })
      .where("id", "=", id)
      .execute();

  switch (result.kind) {
    case "sent":
      await set({ sentVersion: answer.version, tries: 0, lastProblem: null });
      await acceptCredential(tx, row.forge);
      return true;
    case "terminal": {
      const isNewest = answer.version === row.version;
      await set({ lastProblem: result.reason, ...(isNewest && { terminalReason: result.reason }) });
      return true;
    }
    case "parked":
      await set({ lastProblem: result.reason });
      await holdCredential(tx, row.forge, now + PARKED_RETRY_MS, result.reason);
      return true;
    case "later": {
      // A worker that stops gives its rows back at once; nothing was tried then.
      if (result.afterMs === 0) {
        await set({});
        return true;
      }
      const isTooOld = now - row.updatedAt > GIVE_UP_MS;
      await set({
        tries: row.tries + 1,
        nextTryAt: now + result.afterMs,
        lastProblem: result.reason,
        terminalReason: isTooOld ? `Given up after 7 days: ${result.reason}` : null,
      });
      if (result.wholeCredential) await holdCredential(tx, row.forge, now + result.afterMs, null);
      return true;
    }
  }
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

/** Rows with something left to say that may be said now. */
export async function waitingStatusIds(tx: Reader, limit: number): Promise<string[]> {
  const rows = await tx.db
    .selectFrom("outbox")
    .select("id")
    .whereRef("version", ">", "sentVersion")
    .where("terminalReason", "is", null)
    .where("nextTryAt", "<=", tx.now())
    .orderBy("updatedAt", "desc")
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
