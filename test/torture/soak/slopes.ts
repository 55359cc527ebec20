import type { Violation } from "../invariants/violation.ts";
import type { Sample, Samples } from "./sampler.ts";

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;
/** Caches fill, code is compiled: what comes before says nothing about a leak. */
const WARM_SHARE = 1 / 3;
/** In less time a slope is noise; it is told and not judged. */
const JUDGED_MS = 20 * 60_000;
/** The target of a day is 1 MiB an hour; what shows within an hour is coarser. */
const SLOPE_MIB_PER_HOUR_MAX = 24;
const FILES_MORE_MAX = 40;

export interface Slope {
  readonly process: string;
  readonly minutes: number;
  readonly rssMib: readonly [first: number, last: number, most: number];
  readonly mibPerHour: number;
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
    return [
      {
        process,
        minutes: (last.atMs - first.atMs) / 60_000,
        rssMib: [mib(first.rssBytes), mib(last.rssBytes), mib(most(({ rssBytes }) => rssBytes))],
        mibPerHour: Math.round(slope(warm) * 10) / 10,
        openFiles: [first.openFiles, last.openFiles, most(({ openFiles }) => openFiles)],
        threads: most(({ threads }) => threads),
      },
    ];
  });
}

/** Least squares. */
function slope(samples: readonly Sample[]): number {
  const count = samples.length;
  const x = samples.map(({ atMs }) => atMs / HOUR_MS);
  const y = samples.map(({ rssBytes }) => rssBytes / MIB);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / count;
  const [meanX, meanY] = [mean(x), mean(y)];
  const above = x.reduce((sum, value, i) => sum + (value - meanX) * ((y[i] ?? 0) - meanY), 0);
  const below = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

export function judge(slopes: readonly Slope[]): readonly Violation[] {
  const broken = (what: string): Violation => ({ figure: "broken", what: `I8 ${what}` });
  return slopes
    .filter(({ minutes }) => minutes * 60_000 >= JUDGED_MS)
    .flatMap(({ process, mibPerHour, openFiles: [first, last], minutes }) => {
      const found: Violation[] = [];
      const over = `over ${Math.round(minutes)} min`;
      if (mibPerHour > SLOPE_MIB_PER_HOUR_MAX)
        found.push(broken(`${process} grows by ${mibPerHour} MiB an hour, ${over}`));
      if (last > first + FILES_MORE_MAX)
        found.push(broken(`${process} had ${first} files open and has ${last}, ${over}`));
      return found;
    });
}

export function lineOf({
  process,
  minutes,
  rssMib,
  mibPerHour,
  openFiles,
  threads,
}: Slope): string {
  const over = `${minutes.toFixed(1)} min`;
  const memory = `${rssMib.join(" → ")} MiB (first, last, most), ${mibPerHour} MiB/h`;
  return `${process.padEnd(8)} ${over}: ${memory}; files ${openFiles.join(" → ")}; ${threads} threads`;
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
