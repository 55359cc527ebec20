import type { BirthOfBuild } from "../../../../src/domain/life/moves.ts";
import type { PlannedPlace } from "../../../../src/domain/life/planning.ts";
import type {
  BuildLife,
  BuildRecord,
  JobRecord,
  PublishRecord,
} from "../../../../src/domain/life/records.ts";
import type { State } from "../../../../src/domain/states.ts";

/** What a build is for, beside its life. */
export interface Build {
  readonly number: number;
  readonly sha: string;
  /** Names the push; a rerun has none. */
  readonly pushKey: string | null;
  /** Its packages go somewhere once all has passed. */
  publishes: boolean;
  life: BuildLife;
}

export interface PlannedJob extends PlannedPlace {
  /** Places of the jobs that must have passed before. */
  readonly needs: readonly number[];
}

export interface Delivery {
  readonly id: string;
  readonly disposition: "accepted" | "duplicate";
  readonly build: Build;
}

export interface Step {
  readonly jobId: string;
  readonly attempt: number;
  readonly name: string;
  state: State;
}

export interface Lease {
  readonly id: string;
  readonly token: string;
}

export function aBuild(id: string, state: BirthOfBuild): BuildRecord {
  return {
    id,
    state,
    isReady: 1,
    waitReason: null,
    cancelRequestedAt: null,
    startedAt: null,
    supersededByNumber: null,
    failureTitle: null,
  };
}

export function aJob(
  facts: Partial<JobRecord> & Pick<JobRecord, "id" | "buildId" | "queuedAt">,
): JobRecord {
  return {
    name: "",
    project: "",
    kind: "build",
    state: "queued",
    reason: null,
    isBlocked: 0,
    isPlanned: false,
    needs: [],
    goodbyeAt: null,
    workerArch: null,
    ...NEVER_CLAIMED,
    ...facts,
  };
}

export function aPublish(
  facts: Pick<PublishRecord, "id" | "buildId" | "purpose" | "queuedAt">,
): PublishRecord {
  return { state: "queued", ...NEVER_CLAIMED, ...facts };
}

const NEVER_CLAIMED = {
  attempt: 0,
  countedAttempts: 0,
  notBeforeAt: 0,
  startedAt: null,
  worker: null,
  leaseTokenHash: null,
  leaseExpiresAt: null,
} as const;
