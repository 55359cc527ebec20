import { hashToken } from "./leases.ts";
import type { Reader, Tx } from "./store.ts";

const LINK_MS = 15 * 60_000;
const BROWSER_MS = 30 * 24 * 3_600_000;

/** Makes a one-time sign-in link's token. Only its hash is kept. */
export async function addSignInLink(tx: Tx, token: string): Promise<void> {
  await removeExpired(tx);
  const expiresAt = tx.now() + LINK_MS;
  const row = { tokenHash: hashToken(token), kind: "link" as const, expiresAt };
  await tx.db.insertInto("sessions").values(row).execute();
}

/** Spends the link: true once, and only before it expires. `browserToken` is signed in then. */
export async function redeemLink(tx: Tx, token: string, browserToken: string): Promise<boolean> {
  const spent = await tx.db
    .deleteFrom("sessions")
    .where("tokenHash", "=", hashToken(token))
    .where("kind", "=", "link")
    .where("expiresAt", ">", tx.now())
    .returning("tokenHash")
    .executeTakeFirst();
  if (spent === undefined) return false;
  await addBrowser(tx, browserToken);
  return true;
}

export async function addBrowser(tx: Tx, browserToken: string): Promise<void> {
  const expiresAt = tx.now() + BROWSER_MS;
  const row = { tokenHash: hashToken(browserToken), kind: "browser" as const, expiresAt };
  await tx.db.insertInto("sessions").values(row).execute();
}

export async function isSignedIn(tx: Reader, browserToken: string): Promise<boolean> {
  const row = await tx.db
    .selectFrom("sessions")
    .select("expiresAt")
    .where("tokenHash", "=", hashToken(browserToken))
    .where("kind", "=", "browser")
    .executeTakeFirst();
  return row !== undefined && row.expiresAt > tx.now();
}

/**
 * Whoever still has this browser's token is signed in with it no more. One that was made without a
 * record leaves one now, until it would have ended by itself.
 */
export async function endSession(tx: Tx, browserToken: string): Promise<void> {
  await removeExpired(tx);
  const row = { tokenHash: hashToken(browserToken), kind: "ended" as const };
  await tx.db
    .insertInto("sessions")
    .values({ ...row, expiresAt: tx.now() + BROWSER_MS })
    .onConflict((conflict) => conflict.column("tokenHash").doUpdateSet({ kind: row.kind }))
    .execute();
}

/** Of a token that has no record while it is good: did its browser sign out? */
export async function isEnded(tx: Reader, browserToken: string): Promise<boolean> {
  const row = await tx.db
    .selectFrom("sessions")
    .select("kind")
    .where("tokenHash", "=", hashToken(browserToken))
    .where("kind", "=", "ended")
    .executeTakeFirst();
  return row !== undefined;
}

async function removeExpired(tx: Tx): Promise<void> {
  await tx.db.deleteFrom("sessions").where("expiresAt", "<=", tx.now()).execute();
}
