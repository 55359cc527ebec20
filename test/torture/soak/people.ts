import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { channelApi } from "../../../src/cli/channel-api.ts";
import { isFinal } from "../../../src/domain/states.ts";
import type { Tatara } from "../../support/start-tatara.ts";
import { openRecords } from "../records.ts";
import { TARGETS } from "../sample-push.ts";
import type { Scene } from "../under-load.ts";
import { dnfHost } from "../yum/dnf-loop.ts";

const VIEWERS = 5;
const DEV = "dev";
const TESTING = "testing";

/** People who promote, undo, yank and edit channels; what is refused, or cut off, promises nothing. */
export async function keepChanging(scene: Scene, stop: AbortSignal): Promise<number> {
  const { tatara, random: randomFor } = scene;
  const random = randomFor("changes");
  const api = channelApi(tatara.client);
  let done = 0;
  const works = {
    promote: () => api.apply({ kind: "promote", from: DEV, to: TESTING, all: true, force: true }),
    undo: () => api.apply({ kind: "undo", channel: TESTING }),
    yank: () => yankOne(scene, api),
    edit: () => api.patch(TESTING, { settings: { compression: random.pick(["gzip", "zstd"]) } }),
  };
  const weights = { promote: 5, undo: 2, yank: 1, edit: 1 } as const;
  while (!stop.aborted) {
    await pause(random.integer(1_000, 5_000), stop);
    const made = await works[random.weighted(weights)]().then(
      () => 1,
      () => 0,
    );
    done += made;
  }
  return done;
}

async function yankOne(scene: Scene, api: ReturnType<typeof channelApi>): Promise<void> {
  using records = openRecords(scene.tatara.dataDir);
  const listed = records
    .all("listings")
    .filter(({ channel, untilGeneration }) => channel === TESTING && untilGeneration === null);
  const [oldest] = listed;
  if (oldest === undefined) return;
  await api.apply({ kind: "yank", packages: [oldest.nevra], channel: TESTING });
}

/** Browsers that stay on builds that run, and read their logs as they grow. */
export async function keepWatching(scene: Scene, stop: AbortSignal): Promise<number> {
  const all = Array.from({ length: VIEWERS }, (_none, index) => watchOnes(scene, index, stop));
  return (await Promise.all(all)).reduce((sum, bytes) => sum + bytes, 0);
}

async function watchOnes({ tatara, random: randomFor }: Scene, index: number, stop: AbortSignal) {
  const random = randomFor(`viewer ${index}`);
  let bytes = 0;
  while (!stop.aborted) {
    await pause(random.integer(200, 2_000), stop);
    const id = openBuild(tatara.dataDir);
    if (id === undefined) continue;
    // A page that is left soon, as people do; the stream ends with it.
    const leaving = AbortSignal.any([stop, AbortSignal.timeout(random.integer(2_000, 20_000))]);
    const path = `/api/builds/${id}/events`;
    bytes += await tatara.fetch(path, { signal: leaving }).then(drain, () => 0);
  }
  return bytes;
}

function openBuild(dataDir: string): string | undefined {
  using records = openRecords(dataDir);
  return records.all("builds").findLast(({ state }) => !isFinal(state))?.id;
}

async function drain(response: Response): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) bytes += chunk.length;
  } catch {
    // Left, or the server died: either way this page is closed.
  }
  return bytes;
}

/** A host that subscribes. While the server lives, none of its transactions may fail. */
export async function keepInstalling(scene: Scene, stop: AbortSignal): Promise<number> {
  const { tatara, violations } = scene;
  const folder = await mkdtemp(join(tmpdir(), "tatara-soak-"));
  const repos = { url: tatara.url, channel: DEV, targets: [TARGETS[0]] };
  let transactions = 0;
  try {
    const host = await dnfHost(folder, repos);
    while (!stop.aborted) {
      await pause(2_000, stop);
      if (!isPublished(tatara.dataDir)) continue;
      const pid = tatara.supervisor.pidOf("server");
      // A server that has only just been started does not listen yet.
      if (!(await answers(tatara))) continue;
      const failure = await host.refresh();
      transactions += 1;
      const hasLived = pid !== undefined && pid === tatara.supervisor.pidOf("server");
      if (failure !== undefined && hasLived)
        violations.push({ figure: "clientFailures", what: failure });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return transactions;
}

async function answers(tatara: Tatara): Promise<boolean> {
  const answer = await tatara.fetch("/healthz").catch(() => undefined);
  await answer?.body?.cancel();
  return answer !== undefined;
}

function isPublished(dataDir: string): boolean {
  using records = openRecords(dataDir);
  return records
    .all("listings")
    .some(({ channel, target }) => channel === DEV && target === TARGETS[0]);
}

export async function pause(ms: number, stop: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: stop }).catch(() => undefined);
}
