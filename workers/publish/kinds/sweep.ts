import { renameSync } from "node:fs";
import { lstat, readFile, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SweepGrant } from "../../../src/shared/publish-grants.ts";
import { keepNumberTaken } from "../engine/generation-numbers.ts";
import { signedRecord } from "../pool.ts";
import type { Publish } from "../publish-context.ts";
import { findByDigest, findGenerations } from "../sweep/find-files.ts";
import type { FoundGeneration } from "../sweep/find-files.ts";
import { generationsToDrop } from "../sweep/reachable.ts";
import { openNeeds } from "../sweep/read-kept.ts";
import type { Needs } from "../sweep/read-kept.ts";

type SweepPublish = Publish<SweepGrant>;

/** Publishes wait no longer than this for a sweep. */
const TURN_MS = 50;

/**
 * Deletes what no generation that stays needs, and what nobody downloads any more. Answers what was
 * deleted, or would be. Nothing is staged while it deletes, so that nothing goes that a generation is
 * just being made from; it takes many short turns, and looks at each what has become live meanwhile.
 *
 * Generations go first, then what they alone needed; a folder is moved out of the way whole before it
 * is emptied. Whenever it is killed, what is left is whole, and the next sweep finds the rest.
 */
export async function sweep(
  publish: SweepPublish,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { grant, layout, earliest, turns } = publish;
  const before = earliest() - grant.graceMs;
  const heads = new Map(
    grant.keep.map(({ channel, numbers }) => [channel, Math.max(0, ...numbers)]),
  );
  const reader = openNeeds(layout, heads);
  let known: ReadonlyMap<string, FoundGeneration> = new Map();
  const look = async (): Promise<readonly FoundGeneration[]> => {
    const generations = await findGenerations(layout, known);
    known = new Map(generations.map((each) => [each.path, each]));
    const old = new Set(generationsToDrop(generations, grant.keep, before));
    await reader.add(
      generations.filter((each) => !old.has(each)),
      signal,
    );
    return [...old];
  };
  const old = await look();
  const report: string[] = [];
  const sweeping = { ...publish, needs: reader.needs, before, report, signal };
  const steps = sweepAll(old, sweeping);
  for (let isDone = false; !isDone;) {
    isDone = await turns.alone(async () => {
      await look();
      return await runFor(TURN_MS, steps);
    });
  }
  return report;
}

/** Whether all steps are done. */
async function runFor(ms: number, steps: AsyncGenerator<void>): Promise<boolean> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    const { done } = await steps.next();
    if (done === true) return true;
  }
  return false;
}

interface Sweeping extends SweepPublish {
  /** Grows while the sweep goes on. */
  readonly needs: Needs;
  /** What changed later stays, as epoch milliseconds. */
  readonly before: number;
  readonly report: string[];
  readonly signal: AbortSignal;
}

/** Yields after everything that it has looked at, so that it can be interrupted there. */
async function* sweepAll(
  old: readonly FoundGeneration[],
  sweeping: Sweeping,
): AsyncGenerator<void> {
  yield* sweepGenerations(old, sweeping);
  yield* sweepFiles("segments", sweeping);
  yield* sweepFiles("extras", sweeping);
  const dropped = new Set<string>();
  for (const named of sweeping.grant.dropPackages) {
    if (await sweepPackage(named, sweeping)) dropped.add(named.sha256);
    yield;
  }
  if (dropped.size > 0) yield* sweepRecords(dropped, sweeping);
}

async function* sweepGenerations(
  old: readonly FoundGeneration[],
  sweeping: Sweeping,
): AsyncGenerator<void> {
  const begun = new Set<string>();
  // The newest first: an older one may hold files that a newer one uses.
  for (const { channel, number, path } of old.toSorted((a, b) => b.number - a.number)) {
    const name = `${channel}/${number}`;
    const isUsed = sweeping.needs.generations.has(name);
    if (!isUsed && !sweeping.grant.dryRun && !begun.has(channel)) {
      await keepNumberTaken(sweeping.layout, { channel, number });
      begun.add(channel);
    }
    if (!isUsed) await remove(`generation ${name}`, path, sweeping);
    yield;
  }
}

async function* sweepFiles(kind: "segments" | "extras", sweeping: Sweeping): AsyncGenerator<void> {
  const { layout, before, engine, needs } = sweeping;
  const what = kind === "segments" ? "segment" : "metadata file";
  for await (const { path, id, changedAt } of findByDigest(layout, kind)) {
    const isUsed = needs[kind].has(id) || engine.uses(id);
    if (!isUsed && changedAt < before) await remove(`${what} ${id}`, path, sweeping);
    yield;
  }
}

/** A folder leaves its place in one step. */
async function remove(what: string, path: string, sweeping: Sweeping): Promise<void> {
  const { grant, folder, report, signal } = sweeping;
  signal.throwIfAborted();
  if (!grant.dryRun) {
    const away = join(folder, "swept");
    await rename(path, away);
    await rm(away, { recursive: true, force: true, maxRetries: 3 });
  }
  report.push(what);
}

/**
 * Only what the server named: it alone knows what is pinned, or may be asked for again. Whether it is
 * gone, or would be.
 */
async function sweepPackage(
  { sha256, fileName }: SweepGrant["dropPackages"][number],
  { grant, layout, folder, held, needs, before, report, signal }: Sweeping,
): Promise<boolean> {
  signal.throwIfAborted();
  if (fileName.includes("/") || needs.packages.has(sha256)) return false;
  const path = layout.package({ sha256, fileName });
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile() === true && found.ctimeMs >= before) return false;
  if (held.has(sha256)) return false;
  if (found === undefined) return true;
  if (!grant.dryRun) {
    // In one go with the look at the holds: whoever holds it from now on finds nothing, or all of it.
    const away = join(folder, "swept");
    renameSync(path, away);
    await unlink(away);
    await rmdir(dirname(path)).catch(() => undefined); // Something else is in it.
  }
  report.push(`package ${fileName} (${sha256})`);
  return true;
}

/** Which unsigned content became a file that is gone. One that stays by a crash is not believed. */
async function* sweepRecords(
  dropped: ReadonlySet<string>,
  { grant, layout, signal }: Sweeping,
): AsyncGenerator<void> {
  for await (const { path } of findByDigest(layout, "signed")) {
    signal.throwIfAborted();
    const record = await readFile(path, "utf8")
      .then((text) => signedRecord.parse(JSON.parse(text)))
      .catch(() => undefined);
    const isGone = record !== undefined && dropped.has(record.sha256);
    if (isGone && !grant.dryRun) await unlink(path);
    yield;
  }
}
