import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { dearmour } from "../yum/detached-signature.ts";
import type { Violation } from "../invariants/violation.ts";
import { openRecords } from "../records.ts";
import type { Records } from "../records.ts";

const run = promisify(execFile);
const ENV = { PATH: "/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C", TZ: "UTC" };
const OUTPUT_BYTES_MAX = 2 ** 24;
const LOOK_EVERY_MS = 200;
/** What is recorded may differ so much from what was seen on a busy machine; the least jump is 90 s. */
const SLACK_MS = 45_000;
/** What clocks of machines may differ (F42). */
const SKEW_MS = 60_000;

/** Looks by a clock of its own how long builds and steps take. */
export interface DurationWatch extends Disposable {
  /** Those of which the records say something else. */
  found(): readonly Violation[];
}

interface Seen {
  readonly firstMs: number;
  lastMs: number;
}

export function watchDurations(dataDir: string): DurationWatch {
  const seen = new Map<string, Seen>();
  const told = new Map<string, Violation>();
  const look = (): void => {
    using records = openRecords(dataDir);
    for (const { key, endedAt, tookMs } of spansOf(records)) {
      const now = performance.now();
      const known = seen.get(key);
      if (known === undefined) seen.set(key, { firstMs: now, lastMs: now });
      else if (endedAt === null) known.lastMs = now;
      if (known === undefined || tookMs === null || told.has(key)) continue;
      const sawMs = known.lastMs - known.firstMs;
      if (Math.abs(tookMs - sawMs) < SLACK_MS) continue;
      const what = `${key} took ${tookMs / 1_000} s by the records, and ${sawMs / 1_000} s`;
      told.set(key, { figure: "broken", what });
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    found: () => {
      look();
      return [...told.values()];
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

interface Span {
  readonly key: string;
  readonly endedAt: number | null;
  readonly tookMs: number | null;
}

function spansOf(records: Records): readonly Span[] {
  const span = (key: string, startedAt: number | null, endedAt: number | null): Span => ({
    key,
    endedAt,
    tookMs: startedAt === null || endedAt === null ? null : endedAt - startedAt,
  });
  return [
    ...records.all("builds").map((one) => span(`build ${one.id}`, one.startedAt, one.endedAt)),
    ...records
      .all("steps")
      .map((one) =>
        span(`step ${one.jobId} ${one.attempt} ${one.name}`, one.startedAt, one.endedAt),
      ),
  ];
}

/** No worker stood still, so none can have been lost. */
export function checkNoneLost(dataDir: string): readonly Violation[] {
  using records = openRecords(dataDir);
  const lost = records.all("lostAttempts").filter(({ kind }) => kind !== "handed-back");
  return lost.map(({ jobId, attempt, reason }) => ({
    figure: "duplicated",
    what: `attempt ${attempt} of ${jobId} was lost by a clock: ${reason}`,
  }));
}

/** Hosts refuse what was signed in the future; by whose clock, tells the file's own time. */
export async function checkSignatures(dataDir: string): Promise<readonly Violation[]> {
  const yumDir = join(dataDir, "yum");
  const names = await readdir(yumDir, { recursive: true }).catch(() => []);
  const all = names.map((name) => join(yumDir, name));
  const packages = all.filter((path) => path.endsWith(".rpm"));
  const metadata = all.filter((path) => path.endsWith("repomd.xml.asc"));
  const signed = [...(await datesOfPackages(packages)), ...(await datesOfMetadata(metadata))];
  const violations: Violation[] = [];
  for (const { path, at } of signed) {
    const { ctimeMs } = await stat(path);
    const aheadMs = at - ctimeMs;
    if (aheadMs < SKEW_MS) continue;
    const what = `${path} was signed ${Math.round(aheadMs / 1_000)} s in the future`;
    violations.push({ figure: "broken", what });
  }
  return violations;
}

interface SignedAt {
  readonly path: string;
  readonly at: number;
}

/** `RSA/SHA512, Sun Nov 22 12:54:59 2026, Key ID …`, a line for each. */
async function datesOfPackages(paths: readonly string[]): Promise<readonly SignedAt[]> {
  if (paths.length === 0) return [];
  const query = ["-qp", "--nosignature", "--qf", "%{RSAHEADER:pgpsig}\n", ...paths];
  const { stdout } = await run("rpm", query, { env: ENV, maxBuffer: OUTPUT_BYTES_MAX });
  const dates = stdout.trim().split("\n");
  return zipped(
    paths,
    dates.map((line) => Date.parse(`${line.split(", ")[1] ?? ""} UTC`)),
  );
}

/** Packets one behind the other are listed one after the other. */
async function datesOfMetadata(paths: readonly string[]): Promise<readonly SignedAt[]> {
  if (paths.length === 0) return [];
  const packets = await Promise.all(
    paths.map(async (path) => dearmour(await readFile(path, "utf8"))),
  );
  const listing = run("gpg", ["--list-packets"], { env: ENV, maxBuffer: OUTPUT_BYTES_MAX });
  listing.child.stdin?.end(Buffer.concat(packets));
  const { stdout } = await listing;
  const dates = [...stdout.matchAll(/, created (\d+), md5len/g)].map(
    ([, seconds]) => Number(seconds) * 1_000,
  );
  return zipped(paths, dates);
}

function zipped(paths: readonly string[], dates: readonly number[]): readonly SignedAt[] {
  const isRead = dates.length === paths.length && dates.every((at) => at > 0);
  if (!isRead)
    throw new Error(`Dates of ${paths.length} signatures cannot be read: ${String(dates)}`);
  return paths.map((path, index) => ({ path, at: dates[index] ?? 0 }));
}
