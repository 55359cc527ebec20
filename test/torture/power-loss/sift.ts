import { randomOf } from "../random.ts";
import type { SuiteOptions } from "../suite.ts";
import type { Violation } from "../invariants/violation.ts";
import type { ImageChecks } from "./check-image.ts";
import { crashImage, LOSSES } from "./crash-image.ts";
import type { CrashImage, Loss } from "./crash-image.ts";
import { Disk } from "./disk.ts";
import type { ImageRecords } from "./image-records.ts";
import type { Recording, Told } from "./live.ts";
import type { Call } from "./read-trace.ts";

/** A moment at which the power goes, and what the disk loses. */
interface Cut {
  /** The last call before it. */
  readonly at: number;
  readonly loss: Loss;
}

/** An image that a Tatara is to be started on. */
export interface Chosen {
  readonly image: CrashImage;
  readonly name: string;
  /** Seconds since 1970. */
  readonly at: number;
}

interface SiftOptions extends SuiteOptions {
  readonly recordsOf: (image: CrashImage) => Promise<ImageRecords>;
  readonly checks: ImageChecks;
  /** How many images are kept to be started. */
  readonly starts: number;
  /** Only such as need not wait until the lease of a lost worker is over. */
  readonly isShort: boolean;
}

/** Plays the recording, cuts the power `count` times on the way, and looks at what is left. */
export async function sift({ calls, told }: Recording, options: SiftOptions) {
  const { seed, count, tell, recordsOf, checks, starts } = options;
  const disk = new Disk();
  const random = randomOf(seed, "losses");
  const cuts = Map.groupBy(drawCuts(calls, seed, count), ({ at }) => at);
  const started = new Set(drawStarts(count, starts, seed));
  const known = whenTold(calls, told);
  const findings = openFindings();
  const chosen: Chosen[] = [];
  let images = 0;
  let owed = 0;
  for (const [at, call] of calls.entries()) {
    disk.apply(call);
    if (call.change.kind === "said" && call.change.isYes) {
      findings.add(nameOf(calls, at, "all"), await unsaid(disk, recordsOf));
    }
    for (const { loss } of cuts.get(at) ?? []) {
      const name = nameOf(calls, at, loss);
      const image = crashImage(disk, loss, random);
      const before = known.filter((one) => one.at <= call.endedAt).map((one) => one.told);
      const records = await recordsOf(image);
      findings.add(name, await checks.check(image, records, before));
      images += 1;
      if (images % TELL_EVERY === 0) tell(`${images} images`);
      if (started.has(images)) owed += 1;
      if (owed === 0 || (options.isShort && hasLeases(records))) continue;
      owed -= 1;
      chosen.push({ image, name, at: call.endedAt });
    }
  }
  return { images, violations: [...findings.all()], chosen };
}

function hasLeases(records: ImageRecords): boolean {
  return [...records.all("jobs"), ...records.all("publishes")].some(
    ({ state }) => state === "running",
  );
}

const TELL_EVERY = 1_000;
const BOUNDARIES = ["sync", "sync-all", "rename", "link", "remove", "folder", "open", "said"];

/** Half of them at calls that make a difference, where only what was promised survives. */
function drawCuts(calls: readonly Call[], seed: number, count: number): readonly Cut[] {
  const random = randomOf(seed, "cuts");
  const boundaries = calls
    .map((_call, at) => at)
    .filter((at) => BOUNDARIES.includes(calls[at]?.change.kind ?? ""))
    .map((at) => ({ at, order: random.next() }))
    .toSorted((one, other) => one.order - other.order)
    .slice(0, Math.ceil(count / 2))
    .map(({ at }): Cut => ({ at, loss: "nothing" }));
  const others = Array.from({ length: count - boundaries.length }, (): Cut => {
    return { at: random.integer(0, calls.length - 1), loss: random.weighted(LOSSES) };
  });
  return [...boundaries, ...others];
}

/** Numbers of the images that are started: the last third, where most has happened, has most of them. */
function drawStarts(count: number, starts: number, seed: number): readonly number[] {
  const random = randomOf(seed, "starts");
  const span = count / Math.max(1, starts);
  return Array.from({ length: starts }, (_none, index) =>
    Math.min(count, 1 + Math.floor((index + random.next()) * span)),
  );
}

/** What had been told when the power went at that moment. */
export function toldAt({ calls, told }: Recording, at: number): readonly Told[] {
  return whenTold(calls, told)
    .filter((one) => one.at <= at)
    .map((one) => one.told);
}

interface Known {
  /** Seconds since 1970, by strace's clock. */
  readonly at: number;
  readonly told: Told;
}

/** Who was told something was told by the last thing that the server had said until then. */
function whenTold(calls: readonly Call[], told: Recording["told"]): readonly Known[] {
  const said = calls.filter(
    ({ change, speaker }) => change.kind === "said" && speaker === "server",
  );
  return told.map((one) => {
    // Our clock has milliseconds.
    const last = said.findLast(({ endedAt }) => endedAt <= one.at + 0.001);
    return { at: last?.endedAt ?? Infinity, told: one.told };
  });
}

/** D4: whatever the server says yes to, it has brought to the disk before. */
async function unsaid(
  disk: Disk,
  recordsOf: (image: CrashImage) => Promise<ImageRecords>,
): Promise<readonly Violation[]> {
  if (!disk.hasPending((name) => name.startsWith("tatara.db"))) return [];
  const random = randomOf(0, "unsaid");
  const kept = await recordsOf(crashImage(disk, "nothing", random));
  const believed = await recordsOf(crashImage(disk, "all", random));
  if (kept.digest === believed.digest) return [];
  const what = "the server answered 2xx while records that it answers from were not on the disk";
  return [{ figure: "lost", what }];
}

function nameOf(calls: readonly Call[], at: number, loss: Loss): string {
  const change = calls[at]?.change;
  const path =
    change === undefined
      ? ""
      : "path" in change
        ? change.path
        : "to" in change && typeof change.to === "string"
          ? change.to
          : "file" in change
            ? change.file.path
            : "";
  return `after call ${at} (${change?.kind ?? ""} ${path}), loss "${loss}"`;
}

/** The same trouble is told once, with the first image that shows it. */
function openFindings() {
  const found = new Map<
    string,
    { readonly one: Violation; readonly first: string; count: number }
  >();
  return {
    add: (name: string, violations: readonly Violation[]): void => {
      for (const one of violations) {
        const known = found.get(one.what);
        if (known === undefined) found.set(one.what, { one, first: name, count: 1 });
        else known.count += 1;
      }
    },
    all: (): readonly Violation[] =>
      [...found.values()].map(({ one, first, count }) => ({
        figure: one.figure,
        what: `${one.what} (${count} times; first ${first})`,
      })),
  };
}
