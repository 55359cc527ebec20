import { z } from "zod";

const fingerprint = z.string().regex(/^[0-9A-F]{40}$/);
const instant = z.number().int().nonnegative();

/** A key that hosts shall trust: it is in the served file. Exactly one of them signs at any time. */
const ringKey = z.object({
  fingerprint,
  createdAt: instant,
  expiresAt: instant.nullable(),
  servedSince: instant,
  /** From then on it signs, until a later one does. */
  signsFrom: instant,
  /** The armoured text that hosts get. */
  publicKey: z.string().startsWith("-----BEGIN PGP PUBLIC KEY BLOCK-----"),
});
export type RingKey = Readonly<z.infer<typeof ringKey>>;

/** `<data>/keys/rotation.json`. The secret parts are in the GnuPG home around it. */
export const keyRing = z.object({
  version: z.literal(1),
  keys: z.array(ringKey).min(1),
  retired: z.array(z.object({ fingerprint, retiredAt: instant })),
});
export type KeyRing = Readonly<z.infer<typeof keyRing>>;

export type KeyRole = "signing" | "next" | "previous";

/** The key whose turn it is; undefined only if the clock is before the first one's start. */
export function signingKey({ keys }: KeyRing, now: number): RingKey | undefined {
  return newest(keys.filter(({ signsFrom }) => signsFrom <= now));
}

/** The key that will sign next. */
export function nextKey({ keys }: KeyRing, now: number): RingKey | undefined {
  return newest(keys.filter(({ signsFrom }) => signsFrom > now));
}

export function roleOf(key: RingKey, ring: KeyRing, now: number): KeyRole {
  if (key.signsFrom > now) return "next";
  return key === signingKey(ring, now) ? "signing" : "previous";
}

export function isExpired({ expiresAt }: Pick<RingKey, "expiresAt">, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** The text of the served file: one block for each key, since older rpms read one key of a block. */
export function servedText({ keys }: KeyRing): string {
  return keys.map(({ publicKey }) => `${publicKey.trimEnd()}\n`).join("");
}

/** Of two that start at the same instant, the later in the list. */
function newest(keys: readonly RingKey[]): RingKey | undefined {
  return keys.reduce<RingKey | undefined>(
    (best, key) => (best === undefined || key.signsFrom >= best.signsFrom ? key : best),
    undefined,
  );
}
