import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Violation } from "../invariants/violation.ts";
import { openRecords } from "../records.ts";
import type { Records } from "../records.ts";

const run = promisify(execFile);
const LOOK_EVERY_MS = 200;
/** What is recorded may differ so much from what was seen on a busy machine; the least jump is 90 s. */
const SLACK_MS = 45_000;
/** What clocks of machines may differ (F42). */
const SKEW_MS = 60_000;

/** Looks by a clock of its own how long builds and steps take. */
export interface DurationWatch {
  /** Those of which the records say something else. */
  stop(): readonly Violation[];
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
    stop: () => {
      clearInterval(timer);
      look();
      return [...told.values()];
    },
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
  const violations: Violation[] = [];
  for (const name of names) {
    const signedAt = await signedAtOf(join(yumDir, name));
    const file = signedAt && (await stat(join(yumDir, name)).catch(() => undefined));
    if (!signedAt || !file) continue;
    const aheadMs = signedAt - file.ctimeMs;
    if (aheadMs < SKEW_MS) continue;
    const what = `${name} was signed ${Math.round(aheadMs / 1_000)} s in the future`;
    violations.push({ figure: "broken", what });
  }
  return violations;
}

async function signedAtOf(path: string): Promise<number | undefined> {
  if (path.endsWith(".rpm")) {
    const query = ["-qp", "--nosignature", "--qf", "%{RSAHEADER:pgpsig}", path];
    const { stdout } = await run("rpm", query, { env: { ...PATH, LC_ALL: "C", TZ: "UTC" } });
    return Date.parse(stdout.split(", ")[1] ?? "");
  }
  if (!path.endsWith("repomd.xml.asc")) return undefined;
  const { stdout } = await run("gpg", ["--list-packets", path]);
  return Number(/created (\d+)/.exec(stdout)?.[1]) * 1_000;
}

const PATH = { PATH: "/usr/bin:/bin" };
