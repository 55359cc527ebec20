import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { InfraFault } from "../../domain/faults.ts";
import { withGpgHome } from "./gpg.ts";
import type { GpgHome, GpgKey } from "./gpg.ts";
import { nextKey, roleOf } from "./key-ring.ts";
import type { KeyRing, RingKey } from "./key-ring.ts";
import { readRing, replaceFile, serveRing, withRingLock, writeRing } from "./key-store.ts";
import type { KeyFolders } from "./key-store.ts";

/** The change cannot be made as it was asked for; the message says why, the hint what can be done. */
export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

export interface KeyContext extends KeyFolders {
  readonly now: () => number;
}

/** RSA below this is refused by the crypto policies of current distributions. */
const RSA_BITS_MIN = 2_048;
const EXPORT_HINT = "gpg --armor --export-secret-keys FINGERPRINT writes the file that is needed";
const UNLOCK_HINT = "gpg --edit-key FINGERPRINT passwd takes it away; then export the key again";

/**
 * The ring, made at first use: from the one key that is in the home, or from a new one. If there are
 * only keys that cannot sign, none is made in silence, for every host would have to trust it.
 */
export async function openRing(context: KeyContext, signal: AbortSignal): Promise<KeyRing> {
  const present = await readRing(context.keysDir);
  if (present !== undefined) return present;
  return await change(context, signal, async (ring, home) => {
    const known = ring ?? (await adopt(home, context));
    if (known !== undefined) return known;
    if ((await home.list()).length > 0) {
      const message = "The signing key is expired, revoked or disabled";
      const way = "`tatara key rotate --now` makes a new one, `tatara key import` brings yours";
      throw new InfraFault("SIGNING_FAILED", `${message}. ${way}.`);
    }
    return await firstRing(await home.make(), home, context);
  });
}

/** Makes the next key: served at once, signing after `afterMs`. If there is one, moves its time. */
export async function rotate(
  context: KeyContext,
  afterMs: number,
  signal: AbortSignal,
): Promise<KeyRing> {
  return await change(context, signal, async (ring, home) => {
    const base = ring ?? (await adopt(home, context));
    if (base === undefined) return await firstRing(await home.make(), home, context);
    const waiting = nextKey(base, context.now());
    const made = waiting?.fingerprint ?? (await home.make());
    const now = context.now();
    const times = { servedSince: now, signsFrom: now + afterMs };
    const key = waiting ?? (await ringKeyOf(made, home, times));
    const others = base.keys.filter((each) => each !== waiting);
    return { ...base, keys: [...others, { ...key, signsFrom: times.signsFrom }] };
  });
}

/** Takes in an operator's key, or a new expiry of one. An installation's first key signs at once. */
export async function importKey(
  context: KeyContext,
  request: { readonly path: string; readonly afterMs: number },
  signal: AbortSignal,
): Promise<KeyRing> {
  return await change(context, signal, async (ring, home) => {
    // In the keys' own folder: a crash must not leave a secret where others can read it.
    const folder = await mkdtemp(join(context.keysDir, "import-"));
    try {
      const { fingerprint, secret } = await examine(folder, request.path, signal);
      const base = ring ?? (await adopt(home, context));
      await home.importFile(secret);
      if (base === undefined) return await firstRing(fingerprint, home, context);
      const now = context.now();
      // One that is served already keeps its times: it comes with another expiry.
      const known = base.keys.find((key) => key.fingerprint === fingerprint);
      const times = known ?? { servedSince: now, signsFrom: now + request.afterMs };
      const key = await ringKeyOf(fingerprint, home, times);
      const keys = base.keys.map((each) => (each === known ? key : each));
      return { ...base, keys: known === undefined ? [...keys, key] : keys };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** Takes a key out of the served file. Its secret part stays in the home. */
export async function retire(
  context: KeyContext,
  fingerprint: string,
  signal: AbortSignal,
): Promise<KeyRing> {
  return await change(context, signal, async (ring) => {
    const key = findKey(ring, fingerprint);
    const now = context.now();
    if (ring === undefined || roleOf(key, ring, now) === "signing") {
      const hint = "tatara key rotate makes the next one";
      throw new KeyRefused(`${key.fingerprint} is the key that signs.`, hint);
    }
    const retired = [...ring.retired, { fingerprint: key.fingerprint, retiredAt: now }];
    return { ...ring, keys: ring.keys.filter((each) => each !== key), retired };
  });
}

/** A served key by its fingerprint, or by the last digits of it, eight at least. */
export function findKey(ring: KeyRing | undefined, wanted: string): RingKey {
  const digits = wanted.replaceAll(/[\s:]|^0x/gi, "").toUpperCase();
  const keys = ring?.keys ?? [];
  const found = keys.filter(({ fingerprint }) => fingerprint.endsWith(digits));
  const [key] = found;
  if (digits.length >= 8 && key !== undefined && found.length === 1) return key;
  const all = keys.map(({ fingerprint }) => fingerprint).join(", ");
  throw new KeyRefused(`No served key is called ${wanted}.`, `served are: ${all || "none"}`);
}

/** Of a home whose key was made or put there before there were rings. Undefined if none can sign. */
async function adopt(home: GpgHome, context: KeyContext): Promise<KeyRing | undefined> {
  const keys = await home.list();
  const usable = keys.filter((key) => key.isUsable && key.hasSecret && key.canSign);
  const [key] = usable;
  if (usable.length <= 1) return key && (await firstRing(key.fingerprint, home, context));
  const message = `There are ${usable.length} keys in ${context.keysDir}, and no rotation.json`;
  throw new InfraFault("SIGNING_FAILED", `${message} that says which one signs.`);
}

async function firstRing(
  fingerprint: string,
  home: GpgHome,
  { now }: KeyContext,
): Promise<KeyRing> {
  const times = { servedSince: now(), signsFrom: 0 };
  return { version: 1, keys: [await ringKeyOf(fingerprint, home, times)], retired: [] };
}

/** A key's secret part, armoured, for a backup. */
export async function exportSecret(
  { keysDir }: KeyContext,
  fingerprint: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const read = (home: GpgHome): Promise<Buffer> => home.exportSecret(fingerprint, "armoured");
  return await withRingLock(keysDir, () => withGpgHome(keysDir, read, signal), signal);
}

/**
 * Under the lock: read, change, write, serve. Nothing is written if it throws. gpg runs under it as
 * well, since whoever ends first ends the agent of both.
 */
async function change(
  context: KeyContext,
  signal: AbortSignal,
  work: (ring: KeyRing | undefined, home: GpgHome) => Promise<KeyRing>,
): Promise<KeyRing> {
  const { keysDir, publicDir, now } = context;
  const locked = async (): Promise<KeyRing> => {
    const before = await readRing(keysDir);
    const after = await withGpgHome(keysDir, (home) => work(before, home), signal);
    if (after !== before) await writeRing(keysDir, after);
    await serveRing(publicDir, after, now());
    return after;
  };
  return await withRingLock(keysDir, locked, signal);
}

async function ringKeyOf(
  fingerprint: string,
  home: GpgHome,
  { servedSince, signsFrom }: Pick<RingKey, "servedSince" | "signsFrom">,
): Promise<RingKey> {
  const found = (await home.list()).find((key) => key.fingerprint === fingerprint);
  if (found === undefined) throw new InfraFault("SIGNING_FAILED", `gpg has no key ${fingerprint}.`);
  const { createdAt, expiresAt } = found;
  const publicKey = await home.exportPublic(fingerprint);
  return { fingerprint, createdAt, expiresAt, servedSince, signsFrom, publicKey };
}

/** Looks at an operator's file in a home of its own. Answers the name of a file with that key alone. */
async function examine(
  folder: string,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly fingerprint: string; readonly secret: string }> {
  const look = async (home: GpgHome): Promise<{ fingerprint: string; secret: string }> => {
    await home.importFile(path).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new KeyRefused(`gpg cannot read a key from ${path}.`, messageOf(cause));
    });
    const keys = await home.list();
    const [key] = keys;
    if (key === undefined) throw new KeyRefused(`${path} has no secret key.`, EXPORT_HINT);
    if (keys.length > 1) throw new KeyRefused(`${path} has ${keys.length} keys.`, EXPORT_HINT);
    const why = unfitness(key);
    if (why !== undefined) throw new KeyRefused(`The key cannot be used: ${why}.`, EXPORT_HINT);
    const secret = await home.exportSecret(key.fingerprint, "armoured").catch(() => {
      signal.throwIfAborted();
      throw new KeyRefused("The key has a passphrase, and nobody will type it.", UNLOCK_HINT);
    });
    const file = join(folder, "secret.asc");
    await replaceFile(file, secret.toString("latin1"), 0o600);
    return { fingerprint: key.fingerprint, secret: file };
  };
  return await withGpgHome(folder, look, signal);
}

/** What every rpm since EL7 can check, and what this process can sign with. */
function unfitness(key: GpgKey): string | undefined {
  if (!key.hasSecret) return "its secret part is not in the file";
  if (!key.isUsable) return "it is expired, revoked or disabled";
  if (!key.isRsa) return "it is not RSA";
  if (key.bits < RSA_BITS_MIN) return `it has ${key.bits} bits, ${RSA_BITS_MIN} are the least`;
  return key.canSign ? undefined : "its primary key is not meant for signatures";
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
