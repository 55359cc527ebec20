import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isFinal } from "../domain/states.ts";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import type { EngineThing, Look } from "./world.ts";

/** What killed workers left is gone a minute after the last of them started; machines are slow. */
const REAP_MS = 75_000;
const finding = findingsOf("I4");

/** I4: nothing of a finished or unknown attempt is left on the engine, nor on a worker's disk. */
export async function checkOrphans(look: Look): Promise<readonly Finding[]> {
  // Without a worker nobody reaps: what is left waits for its start, by intent.
  if (!look.isWorking) return [];
  const jobs = new Map(look.records.all("jobs").map((job) => [job.id, job]));
  const isLive = (jobId: string, attempt: number): boolean => {
    const job = jobs.get(jobId);
    return job !== undefined && !isFinal(job.state) && job.attempt === attempt;
  };
  const workers = await workersOf(look.dataDir);
  const ids = new Set(workers.map(({ id }) => id));
  const things = (await look.engine?.things()) ?? [];
  const own = things.filter(({ workerId }) => ids.has(workerId));
  const dead = withoutKept(own, look.now()).filter((one) => !isLive(one.jobId, one.attempt));
  const left = dead.map((one) =>
    orphan(`${one.kind} ${one.name}`, `of attempt ${one.jobId}-${one.attempt}, which is over`),
  );
  for (const { dir } of workers) {
    for (const name of await readdir(join(dir, "jobs")).catch(() => [])) {
      const [, jobId = name, attempt = "0"] = /^(.+)-(\d+)$/.exec(name) ?? [];
      if (!isLive(jobId, Number(attempt)))
        left.push(orphan(join(dir, "jobs", name), "a folder of an attempt that is over"));
    }
  }
  return left;
}

function orphan(where: string, evidence: string): Finding {
  return finding({
    figure: "orphans",
    what: "something is left of an attempt that is over",
    where,
    evidence,
    wayOut: "restart the build worker, which removes it; else remove it by hand",
    settlesMs: REAP_MS,
  });
}

/** The workers of this data folder: their names on the engine, and where they work. */
async function workersOf(
  dataDir: string,
): Promise<readonly { readonly id: string; readonly dir: string }[]> {
  const folder = join(dataDir, "worker");
  const names = await readdir(folder).catch(() => []);
  const found = names.map(async (name) => {
    const dir = join(folder, name);
    const id = await readFile(join(dir, "id"), "utf8").catch(() => "");
    return { id: id.trim(), dir };
  });
  return (await Promise.all(found)).filter(({ id }) => id !== "");
}

/**
 * A failed step's container is kept for `tatara shell`, and says in its name until when; the volumes
 * of its attempt stay with it.
 */
export function withoutKept(things: readonly EngineThing[], now: number): readonly EngineThing[] {
  const isKept = ({ kind, name }: EngineThing): boolean => {
    const seconds = /^\/?tatara-kept-(\d+)-/.exec(name)?.[1];
    return kind === "container" && seconds !== undefined && Number(seconds) * 1_000 > now;
  };
  const kept = new Set(things.filter(isKept).map(({ jobId, attempt }) => `${jobId}-${attempt}`));
  return things.filter(
    (one) => !isKept(one) && !(one.kind === "volume" && kept.has(`${one.jobId}-${one.attempt}`)),
  );
}
