import { join } from "node:path";
import type { TargetImage, YumSource } from "../../src/shared/config.ts";
import type { Logger } from "../../src/shared/logger.ts";
import type { Outbound } from "../../src/shared/outbound.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { CacheStore } from "./cache/cache-store.ts";
import type { ContainerLimits, Engine, Owner } from "./engine.ts";
import type { Git } from "./source/git.ts";
import type { ImageMemory } from "./image-memory.ts";
import type { JobRecord, OpenJobRecord } from "./job-record.ts";
import { FIRST_LIFE } from "./resume/job-memory.ts";
import type { JobMemory } from "./resume/job-memory.ts";
import { NO_JOURNAL } from "./resume/journal.ts";
import type { Journal } from "./resume/journal.ts";
import { jobSteps } from "./job-steps.ts";
import type { JobSteps } from "./job-steps.ts";
import type { KeptContainers } from "./kept-containers.ts";
import type { Lease } from "./lease.ts";
import type { builderMemory } from "./package/builder.ts";
import type { PackageScripts } from "./package/scripts.ts";
import type { Mirrors } from "./source/mirrors.ts";

export interface RunJobDeps {
  readonly openRecord: OpenJobRecord;
  /** Begins to write down what a later life of this worker goes on from; left out: none comes. */
  readonly openJournal?: (grant: BuildGrant, dir: string) => Promise<Journal>;
  readonly engine: Engine;
  /** Looks at what a stranger's commit names; undefined: that may be anywhere. */
  readonly outbound: Pick<Outbound, "refusal"> | undefined;
  readonly git: Git;
  readonly mirrors: Mirrors;
  readonly images: ImageMemory;
  readonly workerId: string;
  readonly baseImage: string;
  /** The builder image of each target of this server. */
  readonly targets: readonly TargetImage[];
  readonly yumSources: readonly YumSource[];
  /** The server, as this worker reaches it. */
  readonly serverUrl: string;
  /** The most that one step may have; what its file asks for may be less. */
  readonly limits: ContainerLimits;
  /** Of a whole job; longer than any one of its steps may take. */
  readonly jobTimeoutMs: number;
  readonly packageScripts: PackageScripts;
  /** What images can do for packages, each looked up once. */
  readonly builders: ReturnType<typeof builderMemory>;
  readonly caches: CacheStore;
  /** Text of steps/verify.sh. */
  readonly verifyScript: string;
  readonly keptContainers: KeptContainers;
  /** Folder for the files of jobs while they run. */
  readonly dir: string;
  readonly now: () => number;
  readonly logger: Logger;
  /** Called when the engine did not answer, so that nothing more is claimed before it does. */
  readonly onEngineLost: () => void;
}

/** One attempt of a job: what all its parts share. */
export interface Job {
  readonly grant: BuildGrant;
  readonly deps: RunJobDeps;
  readonly record: JobRecord;
  readonly journal: Journal;
  /** Why nothing can be written down of it: the server is told, and nothing else is done. */
  readonly refusal: { readonly err: unknown } | undefined;
  readonly memory: JobMemory;
  readonly steps: JobSteps;
  /** Of everything that works for this attempt. */
  readonly signal: AbortSignal;
  readonly stop: AbortController;
  readonly dir: string;
  /** What was begun and may still be under way when the attempt ends. */
  readonly begun: Set<Promise<unknown>>;
}

export async function openJob(
  grant: BuildGrant,
  deps: RunJobDeps,
  lease: Lease,
  memory: JobMemory = FIRST_LIFE,
): Promise<Job> {
  const dir = join(deps.dir, `${grant.jobId}-${grant.lease.attempt}`);
  const { openRecord, now } = deps;
  const { journal, refusal } = await openItsJournal(grant, deps, dir);
  await journal.worked(memory.life);
  const record = openRecord(grant, { lease, dir, journal, memory });
  const stop = new AbortController();
  return {
    grant,
    deps,
    record,
    journal,
    refusal,
    memory,
    steps: jobSteps({ record, lease, now, memory }),
    signal: AbortSignal.any([lease.signal, stop.signal]),
    stop,
    dir,
    begun: new Set(),
  };
}

/** A disk that refuses this would refuse the rest too. */
async function openItsJournal(grant: BuildGrant, { openJournal }: RunJobDeps, dir: string) {
  try {
    return { journal: (await openJournal?.(grant, dir)) ?? NO_JOURNAL, refusal: undefined };
  } catch (err) {
    return { journal: NO_JOURNAL, refusal: { err } };
  }
}

/** Begins work whose result is needed later, or never: the attempt's end waits for it all the same. */
export function begin<T>(job: Job, work: Promise<T>): Promise<T> {
  job.begun.add(work);
  // Whoever needs the result hears of the error; nobody else does.
  work.catch(() => undefined);
  return work;
}

/**
 * Whose something on the engine is. Steps have names in small letters, so what belongs to no step
 * has one in capitals.
 */
export function ownerOf({ grant, deps }: Pick<Job, "grant" | "deps">, step: string): Owner {
  const { jobId, lease } = grant;
  return { workerId: deps.workerId, jobId, attempt: lease.attempt, step };
}

/** What an adopted container stands on keeps its name, so that of a later life is another one. */
export function inLife({ memory }: Pick<Job, "memory">, name: string): string {
  return memory.life === 1 ? name : `${name}.LIFE${memory.life}`;
}
