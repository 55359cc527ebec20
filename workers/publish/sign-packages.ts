import { join } from "node:path";
import { allSettled } from "./all-settled.ts";
import type { InspectedPackage } from "./inspect-rpm.ts";
import type { PooledPackage } from "./pool.ts";
import type { Publish } from "./publish-context.ts";

export interface SignedPackage extends PooledPackage {
  /** Where it is now. */
  readonly path: string;
}

/** A package whose signed form is final: any generation may list it once it is in the pool. */
export type ReadyPackage<P extends InspectedPackage = InspectedPackage> = P & {
  readonly signed: SignedPackage;
};

export interface Signing<P extends InspectedPackage> {
  readonly ready: readonly ReadyPackage<P>[];
  /** Resolves once all of them are in the pool, seen and accepted by an independent reader. */
  readonly storing: Promise<unknown>;
}

/**
 * The signed form of each package: found if there is one, for a content is signed only once.
 * `checking` answers which contents are published already; meanwhile signing goes on, and what then
 * turns out to be published is taken from the pool instead.
 */
export async function signPackages<P extends InspectedPackage>(
  inspected: readonly P[],
  checking: Promise<ReadonlyMap<string, string>>,
  publish: Publish,
  signal: AbortSignal,
): Promise<Signing<P>> {
  const stored = Promise.withResolvers<void>();
  const until = stored.promise;
  // The same file may be listed in several targets. All are begun in one go: two publishes that
  // share several contents never wait for each other.
  const distinct = new Map(inspected.map((rpm) => [rpm.built.sha256, rpm]));
  const signing = [...distinct].map(async ([sha256, rpm]) => {
    const work = async () => ({ result: await signOnce(rpm, checking, publish, signal), until });
    return [sha256, await publish.signings.take(sha256, work)] as const;
  });
  try {
    const signed = new Map(await allSettled(signing));
    const storing = store([...signed.values()], publish, signal);
    storing.then(stored.resolve, stored.resolve);
    const ready = inspected.flatMap((rpm) => {
      const found = signed.get(rpm.built.sha256);
      return found === undefined ? [] : [{ ...rpm, signed: found.file }];
    });
    return { ready, storing };
  } catch (err) {
    stored.resolve();
    throw err;
  }
}

interface Signed {
  readonly inspected: InspectedPackage;
  readonly file: SignedPackage;
  readonly isPooled: boolean;
}

async function signOnce(
  inspected: InspectedPackage,
  checking: Promise<ReadonlyMap<string, string>>,
  publish: Publish,
  signal: AbortSignal,
): Promise<Signed> {
  const { pool, hold } = publish;
  const { sha256: unsignedSha256, fileName } = inspected.built;
  // An attempt that died may have left it: to sign again would give one content two names.
  const found = await pool.findSigned(unsignedSha256, hold);
  const signing = found === undefined ? signFresh(inspected, publish, signal) : undefined;
  const [checked, signed] = await Promise.allSettled([checking, signing]);
  if (checked.status === "rejected") throw checked.reason;
  if (signed.status === "rejected") throw signed.reason;

  const sha256 = checked.value.get(unsignedSha256);
  if (sha256 !== undefined) hold.add(sha256);
  const pooled = sha256 === undefined ? found : await pool.require({ sha256, fileName });
  if (pooled !== undefined) {
    return { inspected, file: { ...pooled, path: pool.pathOf(pooled) }, isPooled: true };
  }
  if (signed.value === undefined) throw new TypeError("Neither signed nor pooled.");
  return { inspected, file: signed.value, isPooled: false };
}

async function signFresh(
  { built, path }: InspectedPackage,
  { signer, folder, grant, logger }: Publish,
  signal: AbortSignal,
): Promise<SignedPackage> {
  const { fileName, sha256: unsignedSha256 } = built;
  const staged = join(folder, `${unsignedSha256}.signed`);
  const file = await signer.signPackage(path, staged, signal);
  const facts = { publishId: grant.publishId, fileName, unsignedSha256, sha256: file.sha256 };
  logger.info({ ...facts, key: signer.fingerprint }, "Package signed");
  return { ...file, fileName, path: staged };
}

/** Only what an independent reader has accepted enters the pool. */
async function store(
  signed: readonly Signed[],
  { pool, signer, stopwatch }: Publish,
  signal: AbortSignal,
): Promise<void> {
  const paths = signed.map(({ file }) => file.path);
  const accepted = stopwatch.time("verify", signer.verify.packages(paths, signal));
  const adding = signed
    .filter(({ isPooled }) => !isPooled)
    .map(({ file, inspected }) => {
      const { buildTime } = inspected.rpm;
      const unsignedSha256 = inspected.built.sha256;
      return pool.add({ ...file, unsignedSha256, buildTime, accepted });
    });
  await stopwatch.time("pool", allSettled([accepted, ...adding]));
}
