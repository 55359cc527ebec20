import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserFault } from "../../../src/domain/faults.ts";
import type { ImportGrant } from "../../../src/shared/publish-grants.ts";
import type { Publish } from "../publish-context.ts";
import { inLanes } from "../in-lanes.ts";
import type { PooledPackage } from "../pool.ts";
import type { Progress } from "./progress.ts";
import type { FoundPackage } from "./read-package.ts";
import type { SortedPackage } from "./sort-by-signer.ts";

type ImportPublish = Publish<ImportGrant>;

export interface Imported {
  readonly found: FoundPackage;
  readonly pooled: PooledPackage;
}

interface PoolingDeps {
  readonly publish: ImportPublish;
  readonly progress: Progress;
}

/** So many are verified by one child, and brought to the disk at a time. */
const BATCH = 200;
/** While one batch is signed, another is verified and a third written. */
const BATCHES_AT_ONCE = 3;
const LANES = 8;

/** Brings all of them into the pool: signed, or linked as they are. */
export async function poolAll(
  packages: readonly SortedPackage[],
  published: ReadonlyMap<string, string>,
  { publish, progress }: PoolingDeps,
  signal: AbortSignal,
): Promise<readonly Imported[]> {
  progress.begin("signing and storing packages", packages.length);
  const pooled = new Map<FoundPackage, Imported>();
  await inLanes(batchesOf(packages), BATCHES_AT_ONCE, async (batch) => {
    const imported = await poolBatch(batch, published, publish, signal);
    for (const each of imported) pooled.set(each.found, each);
    progress.step(batch.length);
  });
  // In the order of the folder, whichever came first.
  return packages.flatMap(({ found }) => pooled.get(found) ?? []);
}

function* batchesOf(packages: readonly SortedPackage[]) {
  for (let at = 0; at < packages.length; at += BATCH) yield packages.slice(at, at + BATCH);
}

async function poolBatch(
  batch: readonly SortedPackage[],
  published: ReadonlyMap<string, string>,
  publish: ImportPublish,
  signal: AbortSignal,
): Promise<readonly Imported[]> {
  const ours = batch.filter(({ how }) => how === "ours").map(({ found }) => found.path);
  if (ours.length > 0) await verifyOurs(ours, publish, signal);
  const imported: Imported[] = [];
  const fresh: (Imported & { readonly path: string })[] = [];
  await inLanes(batch, LANES, async ({ found, how }) => {
    signal.throwIfAborted();
    const pooled = await findPooled(found, published, publish);
    if (pooled !== undefined) imported.push({ found, pooled });
    else if (how === "sign") fresh.push(await signCopy(found, publish, signal));
    else imported.push({ found, pooled: await adopt(found, publish) });
  });
  await addSigned(fresh, publish, signal);
  return [...imported, ...fresh.map(({ found, pooled }) => ({ found, pooled }))];
}

/** They claim to be signed by us; rpm looks whether they are. */
async function verifyOurs(
  paths: readonly string[],
  { signer }: ImportPublish,
  signal: AbortSignal,
): Promise<void> {
  const refuses = async (some: readonly string[]): Promise<boolean> => {
    const end = await signer.verify.packages(some, signal).then(
      () => undefined,
      (err: unknown) => ({ err }),
    );
    signal.throwIfAborted();
    return end !== undefined;
  };
  if (!(await refuses(paths))) return;
  const bad: string[] = [];
  for (const path of paths) if (await refuses([path])) bad.push(path);
  if (bad.length === 0) return;
  const lines = bad.map((path) => `${basename(path)}: Its signature by our own key does not hold.`);
  throw new UserFault("PACKAGE_INVALID", lines.join("\n"), {
    hint: "These files were changed after they were signed. Fetch them again from where they came.",
  });
}

/** What an earlier attempt, a build, or another import left in the pool. */
async function findPooled(
  { identity: { unsignedSha256 }, fileName }: FoundPackage,
  published: ReadonlyMap<string, string>,
  { pool, hold }: ImportPublish,
): Promise<PooledPackage | undefined> {
  const signed = published.get(unsignedSha256);
  if (signed !== undefined) {
    hold.add(signed);
    return await pool.require({ sha256: signed, fileName });
  }
  return await pool.findSigned(unsignedSha256, hold);
}

async function signCopy(found: FoundPackage, publish: ImportPublish, signal: AbortSignal) {
  const { signer, folder } = publish;
  const path = join(folder, `${found.sha256}.signed`);
  // What was read and accepted is what is signed, whatever the folder's owner does meanwhile.
  const source = createHash("sha256");
  const { sha256, sizeBytes } = await signer.signPackage(found.path, path, signal, source);
  if (source.digest("hex") !== found.sha256) throw changed(found);
  return { found, path, pooled: { sha256, sizeBytes, fileName: found.fileName } };
}

async function adopt(found: FoundPackage, publish: ImportPublish): Promise<PooledPackage> {
  const { path, sha256, sizeBytes, fileName } = found;
  const { pool, hold, folder } = publish;
  const pooled = { sha256, sizeBytes, fileName };
  // One that was in the pool already keeps its age.
  hold.add(sha256);
  await refuseIfChanged(found);
  await pool.adopt({ ...pooled, path, stagedPath: join(folder, `${sha256}.copy`) });
  return pooled;
}

/** Its digest was taken a while ago, and it is somebody else's file. */
async function refuseIfChanged({ path, sizeBytes, changedAt }: FoundPackage): Promise<void> {
  const now = await stat(path).catch(() => undefined);
  if (now?.size === sizeBytes && now.mtimeMs === changedAt) return;
  throw changed({ path });
}

function changed({ path }: Pick<FoundPackage, "path">): UserFault {
  return new UserFault("PACKAGE_INVALID", `${basename(path)}: It changed while it was imported.`, {
    hint: "Import the folder again once nothing writes to it.",
  });
}

async function addSigned(
  fresh: readonly (Imported & { readonly path: string })[],
  { signer, pool }: ImportPublish,
  signal: AbortSignal,
): Promise<void> {
  if (fresh.length === 0) return;
  await signer.verify.packages(
    fresh.map(({ path }) => path),
    signal,
  );
  await pool.addAll(
    fresh.map(({ found, pooled, path }) => {
      const { sha256: unsignedSha256, buildTime } = found;
      return { ...pooled, path, unsignedSha256, buildTime };
    }),
    signal,
  );
  await inLanes(fresh, LANES, ({ path }) => rm(path));
}
