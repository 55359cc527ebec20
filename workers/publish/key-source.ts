import { stat } from "node:fs/promises";
import { InfraFault } from "../../src/domain/faults.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { openRing } from "../../src/yum/keys/key-changes.ts";
import { isExpired, nextKey, roleOf, signingKey } from "../../src/yum/keys/key-ring.ts";
import type { KeyRing, RingKey } from "../../src/yum/keys/key-ring.ts";
import { warningsOf } from "../../src/yum/keys/key-status.ts";
import type { KeyWarning, Unusable } from "../../src/yum/keys/key-status.ts";
import {
  readRing,
  ringPath,
  serveRing,
  serveUnreadable,
  withRingLock,
} from "../../src/yum/keys/key-store.ts";
import { readSecretKeys } from "./gnupg.ts";
import type { SecretKeys } from "./gnupg.ts";
import type { SigningKey } from "./openpgp.ts";
import { openVerifier } from "./verify-signatures.ts";
import type { Verifier } from "./verify-signatures.ts";

export interface KeyOptions {
  /** The GnuPG home with the ring, readable by nobody else. */
  readonly keysDir: string;
  /** Where clients and the server find the public keys and their status. */
  readonly publicDir: string;
  /** Made for the verifier's keyring. */
  readonly verifierDir: string;
  readonly now: () => number;
  /** Hears when a key changes, and 90, 30 and 7 days before one expires. */
  readonly logger?: Logger;
}

/** One reading of the ring. */
interface Loaded {
  readonly stamp: string;
  readonly ring: KeyRing;
  readonly secrets: ReadonlyMap<string, SigningKey>;
  /** Keys that sign now or later, and whose secret part could not be read. */
  readonly unusable: Unusable;
  readonly loadedAt: number;
  readonly verifier: Verifier;
}

const REFRESH_TIMEOUT_MS = 60_000;
/** A key takes over, and a warning comes due, without a publish that would notice. */
const TICK_MS = 60_000;
/** What could not be read may be there again: its folder was put back, or gpg's agent lives. */
const RETRY_MS = 20_000;
/** By what is wrong with a key. */
const SAID: Readonly<Record<KeyWarning["code"], string>> = {
  KEY_EXPIRES: "A signing key expires soon",
  KEY_EXPIRED: "A signing key has expired",
  KEY_UNUSABLE: "A signing key cannot sign",
};

/**
 * The keys as they are at this moment: the command line changes them while we run, and a service that
 * keeps an old key in memory is a known way to break every host (pulp_rpm issue 2847).
 */
export class KeySource {
  readonly #options: KeyOptions;
  readonly #tick: NodeJS.Timeout;
  readonly #warned = new Set<string>();
  #loaded: Loaded;
  #loads = 1;
  /** What the served files call the signing key. */
  #announced: string | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  private constructor(options: KeyOptions, loaded: Loaded) {
    this.#options = options;
    this.#loaded = loaded;
    this.#tick = setInterval(() => void this.#lookAgain(), TICK_MS).unref();
  }

  static async open(options: KeyOptions, signal: AbortSignal): Promise<KeySource> {
    const loaded = await openLoaded(options, signal);
    const source = new KeySource(options, loaded);
    try {
      await source.#announce(signal);
      return source;
    } catch (err) {
      await source.close();
      throw err;
    }
  }

  /** What signs now. Throws `SIGNING_FAILED` if nothing may. */
  async signing(): Promise<SigningKey> {
    const { ring, secrets } = await this.#current();
    const fingerprint = requireSigning(ring, this.#options.now()).fingerprint;
    if (fingerprint !== this.#announced) await this.#announce(limit());
    const key = secrets.get(fingerprint);
    if (key !== undefined) return key;
    throw new InfraFault("SIGNING_FAILED", `The secret part of ${fingerprint} cannot be read.`);
  }

  /** What checks, with all keys that hosts have. */
  async verifier(): Promise<Verifier> {
    return (await this.#current()).verifier;
  }

  /** Of the key whose turn it is, even if it may not sign any more. */
  fingerprint(): string {
    return signingKey(this.#loaded.ring, this.#options.now())?.fingerprint ?? "";
  }

  /** When it resolves, no child is left. */
  async close(): Promise<void> {
    clearInterval(this.#tick);
    await this.#refreshing.catch(() => undefined); // Whoever asked for it was told.
    await this.#loaded.verifier.close();
  }

  async #current(): Promise<Loaded> {
    try {
      return await this.#newest();
    } catch (err) {
      await tellUnreadable(this.#options);
      throw err;
    }
  }

  async #newest(): Promise<Loaded> {
    const before = this.#loaded;
    const stamp = await stampOf(this.#options.keysDir);
    if (stamp !== before.stamp || this.#mayBeBack(before)) {
      // One at a time; each try is its caller's, and the next one tries again.
      this.#refreshing = this.#refreshing.catch(() => undefined).then(() => this.#refresh(before));
      await this.#refreshing;
    }
    return this.#loaded;
  }

  #mayBeBack({ unusable, loadedAt }: Loaded): boolean {
    return unusable.size > 0 && Math.abs(this.#options.now() - loadedAt) >= RETRY_MS;
  }

  async #refresh(before: Loaded): Promise<void> {
    if (before !== this.#loaded) return;
    const { verifierDir, logger } = this.#options;
    this.#loads += 1;
    this.#loaded = await load(this.#options, `${verifierDir}-${this.#loads}`, limit());
    const keys = this.#loaded.ring.keys.map(({ fingerprint }) => fingerprint);
    logger?.info({ keys, fingerprint: this.fingerprint() }, "Signing keys were read again");
    try {
      await this.#announce(limit());
    } finally {
      // It ends what it is checking first, which must not keep this publish waiting.
      before.verifier.close().catch((err: unknown) => {
        logger?.warn({ err }, "A verifier could not be closed");
      });
    }
  }

  /** Under the lock and from the disk, so that an older ring never follows a newer one. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { keysDir, publicDir, now } = this.#options;
    const serve = async (): Promise<KeyRing> => {
      const ring = (await readRing(keysDir)) ?? this.#loaded.ring;
      await serveRing(publicDir, ring, now(), this.#loaded.unusable);
      return ring;
    };
    const ring = await withRingLock(keysDir, serve, signal);
    this.#announced = signingKey(ring, now())?.fingerprint;
    this.#warn(ring);
  }

  /** Once for each bound in a process's life. */
  #warn(ring: KeyRing): void {
    const { logger, now } = this.#options;
    for (const warning of warningsOf(ring, now(), this.#loaded.unusable)) {
      const { code, fingerprint, bound, message, hint } = warning;
      const name = `${fingerprint} ${code} ${bound}`;
      if (this.#warned.has(name)) continue;
      this.#warned.add(name);
      const facts = { code, fingerprint, warning: message, hint };
      if (bound === 0) logger?.error(facts, SAID[code]);
      else logger?.warn(facts, SAID[code]);
    }
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#current();
      await this.#announce(limit());
    } catch (err) {
      this.#options.logger?.error({ err }, "The signing keys cannot be read");
    }
  }
}

async function openLoaded(options: KeyOptions, signal: AbortSignal): Promise<Loaded> {
  try {
    await openRing(options, signal);
    return await load(options, options.verifierDir, signal);
  } catch (err) {
    if (!signal.aborted) await tellUnreadable(options);
    throw err;
  }
}

/** The server tells it in `/healthz`, where an operator looks first. */
async function tellUnreadable({ publicDir, logger }: KeyOptions): Promise<void> {
  await serveUnreadable(publicDir).catch((err: unknown) => {
    logger?.error({ err }, "The status of the signing keys cannot be written");
  });
}

async function load(
  { keysDir, now, logger }: KeyOptions,
  verifierDir: string,
  signal: AbortSignal,
): Promise<Loaded> {
  const read = async (): Promise<Omit<Loaded, "verifier"> & Pick<SecretKeys, "problems">> => {
    const stamp = await stampOf(keysDir);
    const ring = await readRing(keysDir);
    if (ring === undefined) throw new InfraFault("SIGNING_FAILED", `${ringPath(keysDir)} is gone.`);
    const wanted = ring.keys.filter((key) => roleOf(key, ring, now()) !== "previous");
    const fingerprints = wanted.map(({ fingerprint }) => fingerprint);
    const { keys, problems } = await readSecretKeys(keysDir, fingerprints, signal);
    const unusable = new Set(fingerprints.filter((fingerprint) => !keys.has(fingerprint)));
    return { stamp, ring, secrets: keys, unusable, loadedAt: now(), problems };
  };
  const { problems, ...found } = await withRingLock(keysDir, read, signal);
  // A next key that cannot be used is no reason to stop today, but must be known before its day.
  for (const err of problems) logger?.error({ err }, "A signing key cannot be used");
  const publicKeys = found.ring.keys.map(({ publicKey }) => publicKey);
  return { ...found, verifier: await openVerifier(verifierDir, publicKeys) };
}

function requireSigning(ring: KeyRing, now: number): RingKey {
  const key = signingKey(ring, now);
  if (key === undefined) throw new InfraFault("SIGNING_FAILED", "No key signs yet.");
  if (!isExpired(key, now)) return key;
  const day = new Date(key.expiresAt ?? 0).toISOString().slice(0, 10);
  const way = nextKey(ring, now)
    ? "`tatara key rotate --now` lets the next key sign at once."
    : "`tatara key rotate --now` makes a new one, which hosts have to accept.";
  const message = `The signing key ${key.fingerprint} expired on ${day}. ${way}`;
  throw new InfraFault("SIGNING_FAILED", message);
}

/** Another with each change: the file is replaced, never written in place. */
async function stampOf(keysDir: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(ringPath(keysDir));
    return `${ino} ${mtimeMs} ${size}`;
  } catch (cause) {
    throw new InfraFault("SIGNING_FAILED", `${ringPath(keysDir)} cannot be read.`, { cause });
  }
}

function limit(): AbortSignal {
  return AbortSignal.timeout(REFRESH_TIMEOUT_MS);
}
