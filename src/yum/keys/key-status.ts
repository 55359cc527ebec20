import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isExpired, nextKey, roleOf, signingKey } from "./key-ring.ts";
import type { KeyRing, RingKey } from "./key-ring.ts";

/** What may be known of a served key by everybody. */
const keyFacts = z.object({
  fingerprint: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  servedSince: z.number(),
  signsFrom: z.number(),
  /** When the status was written. */
  role: z.enum(["signing", "next", "previous"]),
});

const keyWarning = z.object({
  code: z.enum(["KEY_EXPIRES", "KEY_EXPIRED", "KEY_UNUSABLE"]),
  fingerprint: z.string(),
  /** The bound that was passed: 90, 30 or 7 days before the expiry; 0 after it, or if it has none. */
  bound: z.number(),
  message: z.string(),
  hint: z.string(),
});
export type KeyWarning = Readonly<z.infer<typeof keyWarning>>;

/** `<data>/yum/keys/status.json`: what the server shows in `/healthz` and on pages. */
export const keyStatus = z.object({
  version: z.literal(1),
  /** Of the key that signs. */
  fingerprint: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  /** The key that will sign, and from when on. */
  next: z.object({ fingerprint: z.string(), signsFrom: z.number() }).nullable(),
  /** All keys in the served file, in its order. */
  keys: z.array(keyFacts),
  warnings: z.array(keyWarning),
});
export type KeyStatus = Readonly<z.infer<typeof keyStatus>>;

const DAY_MS = 86_400_000;
const BOUNDS_DAYS = [7, 30, 90];
const ROTATE = "tatara key rotate, and after the overlap tatara key retire the old one";

/** Keys whose secret part could not be read. */
export type Unusable = ReadonlySet<string>;
const NONE: Unusable = new Set();

/** Undefined before the first key signs. */
export function statusOf(
  ring: KeyRing,
  now: number,
  unusable: Unusable = NONE,
): KeyStatus | undefined {
  const signing = signingKey(ring, now);
  if (signing === undefined) return undefined;
  const next = nextKey(ring, now);
  const { fingerprint, createdAt, expiresAt } = signing;
  return {
    version: 1,
    fingerprint,
    createdAt,
    expiresAt,
    next: next === undefined ? null : { fingerprint: next.fingerprint, signsFrom: next.signsFrom },
    keys: ring.keys.map((key) => ({
      fingerprint: key.fingerprint,
      createdAt: key.createdAt,
      expiresAt: key.expiresAt,
      servedSince: key.servedSince,
      signsFrom: key.signsFrom,
      role: roleOf(key, ring, now),
    })),
    warnings: [...warningsOf(ring, now, unusable)],
  };
}

/** What cannot sign, what comes due within 90 days, and what is overdue. */
export function warningsOf(
  ring: KeyRing,
  now: number,
  unusable: Unusable = NONE,
): readonly KeyWarning[] {
  return ring.keys.flatMap((key) => {
    const due = warningOf(key, ring, now);
    if (!unusable.has(key.fingerprint)) return due;
    const day = new Date(key.signsFrom).toISOString().slice(0, 10);
    const when = roleOf(key, ring, now) === "next" ? `from ${day} on` : "now";
    return [unusableKey(key.fingerprint, `its secret part cannot be read: ${when}`), ...due];
  });
}

/** The ring itself cannot be read: what was served last stays, with this beside it. */
export function withUnreadableRing(status: KeyStatus): KeyStatus {
  const others = status.warnings.filter(({ code }) => code !== "KEY_UNUSABLE");
  const unusable = unusableKey(status.fingerprint, "the keys folder cannot be read: now");
  return { ...status, warnings: [unusable, ...others] };
}

function unusableKey(fingerprint: string, why: string): KeyWarning {
  const message = `The key ${fingerprint} cannot sign, for ${why} nothing can be published.`;
  const hint = `put the keys folder back from a backup; the log of the publish worker says more`;
  return { code: "KEY_UNUSABLE", fingerprint, bound: 0, message, hint };
}

/** Undefined if there is none, or not one that this version knows. */
export async function readKeyStatus(publicDir: string): Promise<KeyStatus | undefined> {
  try {
    const text = await readFile(join(publicDir, "status.json"), "utf8");
    return keyStatus.parse(JSON.parse(text));
  } catch {
    return undefined; // The publish worker writes it again within a minute.
  }
}

function warningOf(key: RingKey, ring: KeyRing, now: number): readonly KeyWarning[] {
  const { fingerprint, expiresAt } = key;
  if (expiresAt === null) return [];
  const daysLeft = (expiresAt - now) / DAY_MS;
  const bound = isExpired(key, now) ? 0 : BOUNDS_DAYS.find((days) => daysLeft <= days);
  if (bound === undefined) return [];

  const day = new Date(expiresAt).toISOString().slice(0, 10);
  const when = bound === 0 ? `expired on ${day}` : `expires in ${daysText(daysLeft)}, on ${day}`;
  const code = bound === 0 ? "KEY_EXPIRED" : "KEY_EXPIRES";
  const message = `The key ${fingerprint} ${when}: ${consequenceOf(key, ring, now)}`;
  return [{ code, fingerprint, bound, message, hint: hintOf(key, ring, now) }];
}

function consequenceOf(key: RingKey, ring: KeyRing, now: number): string {
  if (roleOf(key, ring, now) === "previous") return "hosts may refuse what it signed.";
  const next = nextKey(ring, now);
  const isCovered = next !== undefined && next !== key && next.signsFrom < (key.expiresAt ?? 0);
  if (isCovered) return "the next key signs before that; hosts may refuse what this one signed.";
  return "from then on nothing can be published.";
}

function hintOf(key: RingKey, ring: KeyRing, now: number): string {
  const role = roleOf(key, ring, now);
  if (role === "previous") return `tatara key retire ${key.fingerprint}`;
  if (role === "signing" && isExpired(key, now)) return "tatara key rotate --now";
  return ROTATE;
}

function daysText(days: number): string {
  const whole = Math.floor(days);
  if (whole < 1) return "less than a day";
  return whole === 1 ? "1 day" : `${whole} days`;
}
