import type { Violation } from "../invariants/violation.ts";
import type { Sample, Samples } from "./sampler.ts";

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;
/** Caches fill, code is compiled: what comes before says nothing about a leak. */
const WARM_SHARE = 1 / 3;
/** In less time a slope is noise; it is told and not judged. */
const JUDGED_MS = 20 * 60_000;
/** These keep nothing from job to job: what stays of them after a collection must not grow. */
const KEEP_NOTHING: ReadonlySet<string> = new Set(["build", "report"]);
/** L8 promises 1 MiB an hour over a day; within half an hour what V8 compiles late shows too. */
const LIVE_MIB_PER_HOUR_MAX = 8;
/**
 * The server has caches that fill up to their caps, the publish worker some 9 KiB for each package that
 * a channel lists: they may grow, up to here.
 */
const LIVE_MIB_MAX = 192;
const RSS_MIB_MAX = 400;
const FILES_MORE_MAX = 40;

export interface Slope {
  readonly process: string;
  readonly minutes: number;
  readonly rssMib: readonly [first: number, last: number, most: number];
  readonly rssMibPerHour: number;
  /** After a full collection. */
  readonly liveMib: readonly [first: number, last: number, most: number];
  readonly liveMibPerHour: number;
  readonly openFiles: readonly [first: number, last: number, most: number];
  readonly threads: number;
}

/** Of each process its longest life. */
export function slopesOf({ processes }: Samples): readonly Slope[] {
  return [...processes].flatMap(([process, samples]) => {
    const lives = [...Map.groupBy(samples, ({ life }) => life).values()];
    const longest = lives.toSorted((a, b) => b.length - a.length)[0] ?? [];
    const warm = longest.slice(Math.floor(longest.length * WARM_SHARE));
    const [first, last] = [warm[0], warm.at(-1)];
    if (first === undefined || last === undefined || warm.length < 3) return [];
    const most = (of: (one: Sample) => number): number => Math.max(...warm.map(of));
    const rss = warm.map(({ atMs, rssBytes }) => ({ atMs, bytes: rssBytes }));
    const live = warm.flatMap(({ atMs, liveBytes: bytes }) =>
      bytes === undefined ? [] : { atMs, bytes },
    );
    return [
      {
        process,
        minutes: (last.atMs - first.atMs) / 60_000,
        rssMib: firstLastMost(rss),
        rssMibPerHour: slope(rss),
        liveMib: firstLastMost(live),
        liveMibPerHour: slope(live),
        openFiles: [first.openFiles, last.openFiles, most(({ openFiles }) => openFiles)],
        threads: most(({ threads }) => threads),
      },
    ];
  });
}

interface Held {
  readonly atMs: number;
  readonly bytes: number;
}

function firstLastMost(held: readonly Held[]): [first: number, last: number, most: number] {
  const mib = held.map(({ bytes }) => Math.round((bytes / MIB) * 10) / 10);
  return [mib[0] ?? 0, mib.at(-1) ?? 0, Math.max(0, ...mib)];
}

/** MiB an hour, by least squares. */
function slope(held: readonly Held[]): number {
  const x = held.map(({ atMs }) => atMs / HOUR_MS);
  const y = held.map(({ bytes }) => bytes / MIB);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / held.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const above = x.reduce((sum, value, i) => sum + (value - meanX) * ((y[i] ?? 0) - meanY), 0);
  const below = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  return below > 0 ? Math.round((above / below) * 10) / 10 : 0;
}

export function judge(slopes: readonly Slope[]): readonly Violation[] {
  const broken = (what: string): Violation => ({ figure: "broken", what: `I8 ${what}` });
  return slopes
    .filter(({ minutes }) => minutes * 60_000 >= JUDGED_MS)
    .flatMap(({ process, liveMibPerHour, liveMib, rssMib, openFiles: [first, last], minutes }) => {
      const found: Violation[] = [];
      const over = `over ${Math.round(minutes)} min`;
      if (KEEP_NOTHING.has(process) && liveMibPerHour > LIVE_MIB_PER_HOUR_MAX)
        found.push(broken(`${process} grows by ${liveMibPerHour} MiB an hour, ${over}`));
      if (liveMib[2] > LIVE_MIB_MAX) found.push(broken(`${process} holds ${liveMib[2]} MiB`));
      if (rssMib[2] > RSS_MIB_MAX) found.push(broken(`${process} took ${rssMib[2]} MiB`));
      if (last > first + FILES_MORE_MAX)
        found.push(broken(`${process} had ${first} files open and has ${last}, ${over}`));
      return found;
    });
}

export function lineOf(slope: Slope): string {
  const { process, minutes, rssMib, liveMib, openFiles, threads } = slope;
  const arrows = (values: readonly number[]): string => values.join(" → ");
  const resident = `resident ${arrows(rssMib)} MiB, ${slope.rssMibPerHour} MiB/h`;
  const live = `live ${arrows(liveMib)} MiB, ${slope.liveMibPerHour} MiB/h`;
  const over = `${process.padEnd(8)} ${minutes.toFixed(1)} min (first, last, most)`;
  return `${over}: ${resident}; ${live}; files ${arrows(openFiles)}; ${threads} threads`;
}
