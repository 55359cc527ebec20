import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isChannelName } from "../../src/domain/channel.ts";
import { InfraFault } from "../../src/domain/faults.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import type { PublishGrant } from "../../src/shared/protocol.ts";
import { checkIdentities } from "./check-identities.ts";
import { fetchPackages } from "./fetch-packages.ts";
import type { FetchedPackage } from "./fetch-packages.ts";
import { finishFragments } from "./fragments.ts";
import type { Fragments } from "./repodata.ts";
import { stageGeneration } from "./generation.ts";
import type { Additions, Generation, ListedPackage } from "./generation.ts";
import { inspectPackages } from "./inspect-rpm.ts";
import type { Publish, PublishDeps, ReadyPackage } from "./publish-context.ts";
import { signPackages } from "./sign-packages.ts";
import { startStopwatch } from "./stopwatch.ts";
import { dropAll, switchChannels } from "./switch-channels.ts";
import { tellEnd } from "./tell-end.ts";

/** A channel that moves on this often while we assemble has more than one publisher. */
const MOVED_MAX = 100;

/** Publishes what was granted. When it resolves, the server was told how it ended. Never rejects. */
export async function publishPackages(
  grant: PublishGrant,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(deps.stagingDir, `${grant.publishId}-${grant.lease.attempt}`);
  const publish = { ...deps, grant, folder, stopwatch: startStopwatch() };
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    await publishFrom(publish, signal);
  } catch (err) {
    await tellEnd(err, publish, signal);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Fetch → inspect → check → sign → pool and index → stage → switch. Every decision is made here. */
async function publishFrom(publish: Publish, signal: AbortSignal): Promise<void> {
  const { grant, stopwatch, turns, logger } = publish;
  const stranger = grant.channels.find(({ name }) => !isChannelName(name));
  if (stranger) throw new InfraFault("PUBLISH_FAILED", `There is no channel "${stranger.name}".`);

  const fetched = await stopwatch.time("fetch", fetchPackages(publish, signal));
  // What createrepo_c reads is the header, which signing leaves alone, so it may start now.
  const drafting = stopwatch.time("draft", draftFragments(fetched, publish, signal));
  const ready = await settleBoth(drafting, signInspected(fetched, publish, signal));
  const finished = finishAll(ready, await drafting);

  // All this goes on while the metadata is assembled; nothing is sealed before it is done.
  const storing = Promise.all([
    stopwatch.time("keep", keepAll(finished, publish)),
    stopwatch.time("store", verifyAndPool(ready, publish, signal)),
  ]);
  const live = await settleBoth(
    storing,
    turns.take(() => makeLive(ready, storing, publish, signal)),
  );
  const facts = { publishId: grant.publishId, buildId: grant.build.id, generations: live };
  const figures = { durationMs: stopwatch.elapsedMs(), waterfall: stopwatch.laps() };
  logger.info({ ...facts, packages: ready.length, ...figures }, "Publish ended");
}

async function signInspected(
  fetched: readonly FetchedPackage[],
  publish: Publish,
  signal: AbortSignal,
): Promise<readonly ReadyPackage[]> {
  const { stopwatch } = publish;
  const inspected = await stopwatch.time("inspect", inspectPackages(fetched, signal));
  const published = await stopwatch.time("check", checkIdentities(inspected, publish, signal));
  return await stopwatch.time("sign", signPackages(inspected, published, publish, signal));
}

async function draftFragments(
  fetched: readonly FetchedPackage[],
  { fragments, folder }: Publish,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Fragments>> {
  const files = fetched.map(({ built, path }) => ({ ...built, path }));
  return await fragments.draft(files, join(folder, "drafts"), signal);
}

/** By sha256: what signing changed, digest and size, is put in now that the bytes are final. */
function finishAll(
  ready: readonly ReadyPackage[],
  drafts: ReadonlyMap<string, Fragments>,
): ReadonlyMap<string, Fragments> {
  return new Map(
    ready.map(({ built, signed }) => [
      signed.sha256,
      finishFragments(drafts.get(built.sha256), built, signed),
    ]),
  );
}

async function keepAll(
  finished: ReadonlyMap<string, Fragments>,
  { fragments, folder }: Publish,
): Promise<void> {
  const keeping = [...finished].map(([sha256, each]) => fragments.keep(sha256, each, folder));
  await Promise.all(keeping);
}

/** Only what an independent reader has accepted enters the pool. */
async function verifyAndPool(
  ready: readonly ReadyPackage[],
  { signer, pool, stopwatch }: Publish,
  signal: AbortSignal,
): Promise<void> {
  const distinct = [...new Map(ready.map((rpm) => [rpm.signed.sha256, rpm])).values()];
  const paths = distinct.map(({ signed }) => signed.path);
  const accepted = stopwatch.time("verify", signer.verify.packages(paths, signal));
  const fresh = distinct.filter(({ signed }) => !signed.isPooled);
  const adding = fresh.map(({ built, signed: { path, sha256, sizeBytes, fileName } }) =>
    pool.add({ path, sha256, sizeBytes, fileName, unsignedSha256: built.sha256, accepted }),
  );
  await Promise.all([accepted, ...adding]);
}

/** Stages a generation of every channel and asks the server to switch, until it does or says no. */
async function makeLive(
  ready: readonly ReadyPackage[],
  storing: Promise<unknown>,
  publish: Publish,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { grant, live, stopwatch } = publish;
  let channels: readonly ChannelHead[] = grant.channels.map(({ name, head }) => ({
    name,
    head: Math.max(head, live.get(name)?.number ?? 0),
  }));
  for (let round = 0; round < MOVED_MAX; round += 1) {
    signal.throwIfAborted();
    const staging = stageAll({ channels, ready, storing, round }, publish, signal);
    const staged = await stopwatch.time("stage", staging);
    const switching = switchChannels(staged, ready, publish, signal);
    const answer = await stopwatch.time("switch", switching);
    if (answer.kind === "cancelled") return [];
    if (answer.kind === "live") {
      for (const generation of staged) live.set(generation.channel, generation);
      return staged.map(({ channel, number }) => `${channel}/${number}`);
    }
    channels = channels.map(({ name, head }) => ({
      name,
      head: answer.channels.find((moved) => moved.name === name)?.head ?? head,
    }));
  }
  throw new InfraFault("PUBLISH_FAILED", `The channels moved ${MOVED_MAX} times meanwhile.`);
}

interface ChannelHead {
  readonly name: string;
  readonly head: number;
}

interface StageAll {
  readonly channels: readonly ChannelHead[];
  readonly ready: readonly ReadyPackage[];
  readonly storing: Promise<unknown>;
  readonly round: number;
}

/** All channels or none. A channel that lists everything already needs no new generation. */
async function stageAll(
  { channels, ready, storing, round }: StageAll,
  publish: Publish,
  signal: AbortSignal,
): Promise<readonly Generation[]> {
  const additions = additionsOf(ready);
  const builtFor = publish.grant.publishId;
  const staging = channels.map(({ name, head }) => {
    const stagingDir = join(publish.folder, `generation-${round}-${name}`);
    const known = publish.live.get(name);
    const request = { channel: name, head, known, builtFor, additions, stagingDir, storing };
    return stageGeneration(request, publish, signal);
  });
  const settled = await Promise.allSettled(staging);
  const staged = settled.flatMap((each) =>
    each.status === "fulfilled" && each.value !== undefined ? [each.value] : [],
  );
  const failed = settled.find((each) => each.status === "rejected");
  if (failed === undefined) return staged;
  await dropAll(staged, publish);
  throw failed.reason;
}

/** By target; what two jobs brought alike is listed once. */
function additionsOf(ready: readonly ReadyPackage[]): Additions {
  const additions = new Map<string, Map<string, ListedPackage>>();
  for (const { target, nevra: identity, signed } of ready) {
    const nevra = formatNevra(identity);
    const listed = additions.get(target) ?? new Map<string, ListedPackage>();
    listed.set(nevra, { nevra, sha256: signed.sha256, fileName: signed.fileName });
    additions.set(target, listed);
  }
  return new Map([...additions].map(([target, listed]) => [target, [...listed.values()]]));
}

/** The second's result. Both have ended when it settles, so that nothing works on in a removed folder. */
async function settleBoth<T>(first: Promise<unknown>, second: Promise<T>): Promise<T> {
  const [, settled] = await Promise.allSettled([first, second]);
  if (settled.status === "rejected") throw settled.reason;
  await first;
  return settled.value;
}
