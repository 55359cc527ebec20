import type { Request } from "express";
import { LEASE_MS } from "../../domain/attempt.ts";
import type { ServerNames } from "../../domain/pipeline.ts";
import type { BuildGrant, ResumedGrant } from "../../shared/build-messages.ts";
import type { Logger } from "../../shared/logger.ts";
import { logName } from "../../shared/message-parts.ts";
import type { Announcer } from "../announcer.ts";
import { serverNamesFor } from "../server-names.ts";
import { reportFault } from "../store/attempts.ts";
import { buildFactsOf, cacheEpochOf, passedAt, verifyFactsOf } from "../store/build-grants.ts";
import type { GrantedJob } from "../store/jobs.ts";
import type { ResumedJob } from "../store/resume.ts";
import type { Store } from "../store/store.ts";
import { specOf } from "../store/stored-plan.ts";
import type { LogFiles } from "../views.ts";

export interface GrantDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly logs: LogFiles;
  readonly logger: Logger;
  readonly defaultTarget: string;
  /** Targets that packages can be built for, beside the default. */
  readonly targets: readonly string[];
  /** Names of the yum sources that `repos` may name. */
  readonly yumSources: readonly string[];
  readonly secrets: SecretsDoor;
  readonly cloneOf: (granted: GrantedJob, request: Request) => BuildGrant["clone"];
}

/** A repo's secrets, as grants and plans need them. */
export interface SecretsDoor {
  namesOf(repo: string): Promise<ServerNames["secrets"]>;
  /** Those that this very job uses and its build may read. */
  valuesFor(granted: GrantedJob): Promise<BuildGrant["secrets"]>;
}

/** What a worker needs to know of the job that it was granted. One that cannot be made is taken back. */
export async function grantFirst(
  deps: GrantDeps,
  granted: GrantedJob,
  token: string,
  request: Request,
): Promise<BuildGrant> {
  try {
    return await grantOf(deps, granted, token, request);
  } catch (err) {
    await takeBack(deps, granted, token, "it could not be granted");
    throw err;
  }
}

/**
 * Nothing, if the grant cannot be made now: that job is tried again later, and neither its worker nor
 * what else that holds waits for it.
 */
export async function grantAgain(
  deps: GrantDeps,
  resumed: ResumedJob,
  request: Request,
): Promise<readonly ResumedGrant[]> {
  try {
    return [await resumedGrantOf(deps, resumed, request)];
  } catch (err) {
    deps.logger.error({ err, jobId: resumed.job.id }, "Job could not be granted again");
    await takeBack(deps, resumed, resumed.held.nextToken, "it could not be resumed");
    return [];
  }
}

/** The grant again, for a worker that has come back, and how much of its logs is here. */
async function resumedGrantOf(
  deps: GrantDeps,
  resumed: ResumedJob,
  request: Request,
): Promise<ResumedGrant> {
  const { job, held } = resumed;
  const { id: jobId, buildId, attempt } = job;
  const sizes = held.logs.map(async (name) => {
    const log = { buildId, jobId, attempt, step: logName.parse(name) };
    return [name, await deps.logs.sizeOf(log)] as const;
  });
  return {
    grant: await grantOf(deps, resumed, held.nextToken, request),
    logs: Object.fromEntries(await Promise.all(sizes)),
  };
}

async function grantOf(
  deps: GrantDeps,
  granted: GrantedJob,
  token: string,
  request: Request,
): Promise<BuildGrant> {
  const { store } = deps;
  const { job, build } = granted;
  const names = await serverNamesFor(deps, build.repo);
  return {
    jobId: job.id,
    lease: { token, attempt: job.attempt, leaseMs: LEASE_MS },
    build: buildFactsOf(store, build),
    target: job.target ?? deps.defaultTarget,
    // Only its type is deeper: messages are mutable, records are not.
    job: specOf(job) as BuildGrant["job"],
    names: {
      channels: [...names.channels],
      targets: [...names.targets],
      yumSources: [...names.yumSources],
      secrets: [...names.secrets],
    },
    fileSha: build.fileSha,
    passedAt: job.specJson === null ? await passedAt(store, build) : {},
    cacheEpoch: await cacheEpochOf(store, build.repo),
    verify: await verifyFactsOf(store, granted),
    clone: deps.cloneOf(granted, request),
    secrets: await deps.secrets.valuesFor(granted),
  };
}

/** Its worker never heard of the grant; without this it would be blamed for being silent. */
async function takeBack(
  { store, announcer }: GrantDeps,
  { job }: GrantedJob,
  token: string,
  message: string,
): Promise<void> {
  const fault = { code: "INTERNAL", message, step: null } as const;
  const changed = await store.write((tx) => reportFault(tx, job.id, token, fault));
  if (changed !== undefined) announcer.announce(changed);
}
