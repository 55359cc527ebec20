import { readdir, stat, statfs } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { isFinal } from "../domain/states.ts";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import type { Look, ProcessView } from "./world.ts";

/** The caps of the reliability design, section 3, each with the room that its owner may need. */
export const CAPS = {
  logBytes: 80 * 2 ** 20,
  spoolBytes: 300 * 2 ** 20,
  tickets: 20_000,
  redisBytes: 512 * 2 ** 20,
  freeBytes: 2 ** 30,
  openFilesShare: 0.8,
} as const;
/**
 * What the design promises of a build worker under a flood of output, and of a server. Measured: 60 MiB
 * of Node's own program and 70 of ours at rest; young space 12, the heap of jobs and pages 60 to 90, and
 * buffers on their way the rest.
 */
const RSS_MAX: Readonly<Record<string, number>> = { build: 300 * 2 ** 20, report: 300 * 2 ** 20 };
const RSS_OTHERS_MAX = 500 * 2 ** 20;
/** A peak is none of our business. */
const LASTING_MS = 20_000;
/** A ticket of something that is over is dropped by the next worker that takes it. */
const TICKET_MS = 60_000;
const finding = findingsOf("I8");

/** I8: memory, files, disk, Redis and queues stay under their caps. */
export async function checkBounds(look: Look): Promise<readonly Finding[]> {
  return [
    ...checkQueued(look),
    ...(await checkTickets(look)),
    ...(await checkFiles(look)),
    ...(await checkDisk(look)),
    ...(await look.processes()).flatMap(checkProcess),
  ];
}

function over(what: string, where: string, seen: string, wayOut: string): Finding {
  return finding({ what, where, evidence: seen, wayOut, settlesMs: LASTING_MS });
}

function checkQueued({ records, waitingBuildsMax }: Look): readonly Finding[] {
  const waiting = records.all("builds").filter(({ state }) => state === "queued");
  return [...Map.groupBy(waiting, ({ repo }) => repo)]
    .filter(([, builds]) => builds.length > waitingBuildsMax)
    .map(([repo, builds]) => {
      const seen = `${builds.length} builds wait, ${waitingBuildsMax} may`;
      const wayOut = "please report it; cancel what is not needed";
      return over("more builds of one repo wait than may", repo, seen, wayOut);
    });
}

async function checkTickets(look: Look): Promise<readonly Finding[]> {
  const { queues } = look;
  if (queues === undefined) return [];
  const found: Finding[] = [];
  for (const name of ["build", "publish", "report"] as const) {
    const tickets = await queues.tickets(name);
    if (tickets.length > CAPS.tickets) {
      const seen = `${tickets.length} tickets, ${CAPS.tickets} may be`;
      const wayOut = "empty Redis with FLUSHALL: nothing is lost, due tickets are written again";
      found.push(over("more tickets wait than may", `queue ${name}`, seen, wayOut));
    }
    if (name === "build" && look.isWorking) found.push(...checkStale(look, tickets));
  }
  const memory = await queues.memoryBytes();
  if (memory > CAPS.redisBytes) {
    const wayOut = "empty Redis with FLUSHALL: nothing is lost, due tickets are written again";
    found.push(over("Redis uses more memory than it may", "Redis", mib(memory), wayOut));
  }
  return found;
}

/** While a worker is idle, no ticket of something that is over stays. */
function checkStale({ records }: Look, tickets: readonly string[]): readonly Finding[] {
  const jobs = records.all("jobs");
  if (jobs.some(({ state }) => state === "running")) return [];
  const open = new Set(jobs.filter(({ state }) => !isFinal(state)).map(({ id }) => id));
  const stale = tickets.filter((ticket) => !open.has(ticket.replace(/-\d+$/, "")));
  return stale.map((ticket) =>
    finding({
      what: "nobody takes a ticket of a job that is over or unknown",
      where: `ticket ${ticket} of queue build`,
      evidence: "build workers are idle, and it stays",
      wayOut: "restart the build worker: it does not hear its queue",
      settlesMs: TICKET_MS,
    }),
  );
}

async function checkFiles({ dataDir, records }: Look): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const logs = await sizesBelow(join(dataDir, "logs"));
  for (const { path, bytes } of logs.filter(({ bytes }) => bytes > CAPS.logBytes)) {
    const wayOut = "please report it; the file may be cut";
    found.push(over("a step's log is longer than it may be", path, mib(bytes), wayOut));
  }
  const builds = new Map(records.all("jobs").map(({ id, buildId }) => [id, buildId]));
  for (const worker of await readdir(join(dataDir, "worker")).catch(() => [])) {
    const dir = join(dataDir, "worker", worker, "jobs");
    const spools = (await sizesBelow(dir)).filter(({ path }) => SPOOL.test(relative(dir, path)));
    for (const { path, bytes } of spools.filter(({ bytes }) => bytes > CAPS.logBytes)) {
      const wayOut = "please report it; the worker removes the file when its job ends";
      found.push(over("a worker writes a longer log than it may", path, mib(bytes), wayOut));
    }
    const unsent = await Promise.all(spools.map((spool) => unsentOf(spool, { dataDir, builds })));
    const bytes = unsent.reduce((sum, one) => sum + one, 0);
    if (bytes <= CAPS.spoolBytes) continue;
    const wayOut = "see why the server does not take logs: its health, its disk";
    found.push(over("a worker spools more log than it may", worker, mib(bytes), wayOut));
  }
  return found;
}

/** `<job>-<attempt>/<step>.log`: all that a step said so far, whether the server has it or not. */
const SPOOL = /^([^/]+)-(\d+)\/[^/]+\.log$/;

async function unsentOf(
  { path, bytes }: { readonly path: string; readonly bytes: number },
  { dataDir, builds }: { readonly dataDir: string; readonly builds: ReadonlyMap<string, string> },
): Promise<number> {
  const [, jobId = "", attempt = ""] = SPOOL.exec(path.split("/").slice(-2).join("/")) ?? [];
  const build = builds.get(jobId);
  if (build === undefined) return bytes;
  const taken = await sizeOf(join(dataDir, "logs", build, jobId, attempt, basename(path)));
  return Math.max(0, bytes - taken);
}

async function sizesBelow(dir: string) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  return await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, bytes: await sizeOf(path) };
    }),
  );
}

/** Of one that is gone, none. */
async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function checkDisk({ dataDir }: Look): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(dataDir);
  const free = bavail * bsize;
  if (free >= CAPS.freeBytes) return [];
  const wayOut = `free some room: du -xsh ${dataDir}/*`;
  return [over("less disk is free than must be", dataDir, `${mib(free)} free`, wayOut)];
}

function checkProcess(process: ProcessView): readonly Finding[] {
  const { name, pid, rssBytes, openFiles, openFilesMax } = process;
  const where = `process ${name} (${pid})`;
  const wayOut = "restart it: nothing is lost; please report it with its log";
  const found: Finding[] = [];
  const rssMax = RSS_MAX[name] ?? RSS_OTHERS_MAX;
  if (rssBytes > rssMax) {
    const seen = `${mib(rssBytes)}, ${mib(rssMax)} may be`;
    found.push(over("a process uses more memory than it may", where, seen, wayOut));
  }
  if (openFiles > openFilesMax * CAPS.openFilesShare) {
    const seen = `${openFiles} of ${openFilesMax}`;
    found.push(over("a process has almost all files open that it may", where, seen, wayOut));
  }
  return found;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
