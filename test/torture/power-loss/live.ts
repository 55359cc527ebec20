import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { channelApi } from "../../../src/cli/channel-api.ts";
import { isFinal } from "../../../src/domain/states.ts";
import type { State } from "../../../src/domain/states.ts";
import type { ForgeDouble } from "../../support/forge-double.ts";
import { startTatara } from "../../support/start-tatara.ts";
import type { Tatara } from "../../support/start-tatara.ts";
import { emptyLedger } from "../ledger.ts";
import type { Ledger } from "../ledger.ts";
import { githubPusher, ownPusher } from "../pushers.ts";
import type { Pusher } from "../pushers.ts";
import { untilQuiet } from "../quiet.ts";
import { randomOf } from "../random.ts";
import type { PushKind } from "../sample-push.ts";
import type { SuiteOptions } from "../suite.ts";
import { forgeSettings, WEBHOOK_SECRET } from "../under-load.ts";
import { crashImage } from "./crash-image.ts";
import { Disk } from "./disk.ts";
import { openRecorder } from "./record.ts";
import type { Call } from "./read-trace.ts";

/** Something that somebody was told, so that no loss of power may take it back. */
export type Told =
  | { readonly kind: "delivery"; readonly deliveryId: string }
  | { readonly kind: "push"; readonly repo: string; readonly ref: string; readonly sha: string }
  | { readonly kind: "build"; readonly id: string; readonly state: string }
  | { readonly kind: "channel"; readonly name: string; readonly updatedAt: number }
  | { readonly kind: "token"; readonly token: string };

export interface TimedTold {
  /** Seconds since 1970: nobody was told before. */
  readonly at: number;
  readonly told: Told;
}

/** A short life of a whole Tatara: what it asked of the disk, and what it told people meanwhile. */
export interface Recording {
  readonly calls: readonly Call[];
  readonly told: readonly TimedTold[];
  readonly ledger: Ledger;
}

const LOOK_EVERY_MS = 100;
const END_MS = 240_000;
/** Made anew by every start, or of those who are not recorded. */
const NOT_KEPT = /^(?:(?:cache|log|redis|worker)(?:\/|$)|.*-shm$)/;

/** Whether a disk keeps it from one start to the next. */
export function isKept(path: string): boolean {
  return !NOT_KEPT.test(path);
}

/** Lives through pushes, publishes and changes of channels; `isShort` has one of each that matters. */
export async function recordLife(
  forge: ForgeDouble,
  { seed, tell, isShort }: SuiteOptions & { readonly isShort: boolean },
): Promise<Recording> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-recorded-"));
  try {
    const recorder = await openRecorder(dir);
    const { processes } = recorder;
    await using tatara = await startTatara({ env: forgeSettings(forge), processes });
    const notes = openNotes(tatara);
    await live({ tatara, forge, notes, seed, isShort });
    if (!(await untilQuiet(tatara.dataDir))) throw new Error("The recorded life has no end.");
    await notes.close();
    await tatara.supervisor.stop();
    const calls = await recorder.calls(tatara.dataDir, isKept);
    await expectWhole(calls, tatara.dataDir);
    tell(`recorded ${calls.length} calls and ${notes.told.length} words`);
    return { calls, told: notes.told, ledger: notes.ledger };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Life {
  readonly tatara: Tatara;
  readonly forge: ForgeDouble;
  readonly notes: Notes;
  readonly seed: number;
  readonly isShort: boolean;
}

async function live({ tatara, forge, notes, seed, isShort }: Life): Promise<void> {
  const { ledger } = notes;
  const random = randomOf(seed, "life");
  const options = { tatara, ledger, random };
  const own = await ownPusher({ ...options, repo: "own/one" });
  const hub = await githubPusher({ ...options, repo: "hub/plain", forge, secret: WEBHOOK_SECRET });
  const push = async (pusher: Pusher, ...kinds: readonly PushKind[]): Promise<void> => {
    for (const kind of kinds) {
      await pusher(kind);
      notes.pushed();
      await delay(random.integer(0, 400));
    }
  };
  const two = await ownPusher({ ...options, repo: "own/two" });
  const more: readonly PushKind[] = isShort ? [] : ["failing", "passing", "skipped", "passing"];
  // The second one's package is staged and verified first.
  const verified = isShort ? undefined : push(two, "passing");
  await Promise.all([push(own, "passing", ...more), push(hub, "skipped", ...more), verified]);
  await notes.untilEnded();
  const channels = channelApi(tatara.client);
  await channels.apply({ kind: "promote", from: "dev", to: "testing", all: true, force: true });
  if (isShort) return;
  await push(own, "passing");
  await notes.untilEnded();
  await channels.apply({ kind: "promote", from: "dev", to: "testing", all: true, force: true });
  await channels.apply({ kind: "undo", channel: "testing" });
}

interface Notes {
  readonly told: readonly TimedTold[];
  readonly ledger: Ledger;
  /** Whoever pushed was answered. */
  pushed(): void;
  /** Waits until every build has ended. */
  untilEnded(): Promise<void>;
  close(): Promise<void>;
}

/** Writes down what the server says, each thing when it is heard first. */
function openNotes(tatara: Tatara): Notes {
  const ledger = emptyLedger();
  const told: TimedTold[] = [];
  const known = new Set<string>();
  const note = (one: Told): void => {
    const key = JSON.stringify(one);
    if (!known.has(key)) told.push({ at: Date.now() / 1_000, told: one });
    known.add(key);
  };
  const closing = new AbortController();
  const builds = new Map<string, boolean>();
  const look = async (): Promise<void> => {
    note({ kind: "token", token: tatara.token });
    for (const { id, state } of await listBuilds(tatara)) {
      builds.set(id, isFinal(state));
      if (isFinal(state)) note({ kind: "build", id, state });
    }
    for (const { name, updatedAt } of await channelApi(tatara.client).channels()) {
      note({ kind: "channel", name, updatedAt: Date.parse(updatedAt) });
    }
  };
  const looking = (async () => {
    while (!closing.signal.aborted) {
      await look();
      await delay(LOOK_EVERY_MS);
    }
    await look();
  })();
  return {
    told,
    ledger,
    pushed: () => {
      for (const { deliveryId, sameBodyAs } of ledger.deliveries) {
        if (deliveryId === sameBodyAs) note({ kind: "delivery", deliveryId });
      }
      for (const { forge, repo, ref, after: sha } of ledger.pushes) {
        if (forge === "own") note({ kind: "push", repo, ref, sha });
      }
    },
    untilEnded: async () => {
      const endAt = performance.now() + END_MS;
      do await delay(2 * LOOK_EVERY_MS);
      while ([...builds.values()].includes(false) && performance.now() < endAt);
    },
    close: async () => {
      closing.abort();
      await looking;
    },
  };
}

async function listBuilds(tatara: Tatara) {
  const { builds } = (await tatara.api("/api/builds?limit=60")) as {
    readonly builds: readonly { readonly id: string; readonly state: State }[];
  };
  return builds;
}

/** Played back, the recording must come to the very files that are there; or it missed something. */
async function expectWhole(calls: readonly Call[], dataDir: string): Promise<void> {
  const disk = new Disk();
  for (const call of calls) disk.apply(call);
  const image = crashImage(disk, "all", randomOf(0, "whole"));
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const [path, kept] of image) {
    seen.add(path);
    const real = join(dataDir, path);
    if (kept.kind === "folder") continue;
    const bytes =
      kept.kind === "symlink"
        ? await readlink(real)
            .then(Buffer.from)
            .catch(() => undefined)
        : await readFile(real).catch(() => undefined);
    if (bytes?.equals(kept.bytes()) !== true) {
      problems.push(`${path}: ${kept.bytes().length} bytes, not ${bytes?.length ?? "there"}`);
    }
  }
  for (const top of disk.root.now.keys()) {
    if (!isKept(top) || disk.root.now.get(top)?.kind !== "folder") continue;
    for (const name of await readdir(join(dataDir, top), { recursive: true })) {
      if (isKept(join(top, name)) && !seen.has(join(top, name)))
        problems.push(`${top}/${name} was missed`);
    }
  }
  if (problems.length === 0) return;
  throw new Error(`The recording is not whole: ${problems.slice(0, 20).join("; ")}`);
}
