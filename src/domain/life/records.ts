import type { AttemptLoss } from "../attempt.ts";
import type { InfraFaultCode } from "../faults.ts";
import type { JobKind } from "../job-spec.ts";
import type { State } from "../states.ts";
import type { BuildMove, JobMove, PublishMove, PublishState } from "./moves.ts";

/** What decisions need to know of a build; instants in epoch milliseconds. */
export interface BuildRecord {
  readonly id: string;
  readonly state: State;
  /** 0 until the own remote's ref has moved. */
  readonly isReady: number;
  /** Why it may not start yet. */
  readonly waitReason: string | null;
  readonly cancelRequestedAt: number | null;
  readonly startedAt: number | null;
  /** Number of the build that took its place. */
  readonly supersededByNumber: number | null;
  /** Title of the first failure card that a job of it left. */
  readonly failureTitle: string | null;
}

/** What holds a lease: a job, or a publish. */
export interface LeasedRecord {
  readonly id: string;
  readonly attempt: number;
  readonly countedAttempts: number;
  readonly notBeforeAt: number;
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly worker: string | null;
  readonly leaseTokenHash: string | null;
  readonly leaseExpiresAt: number | null;
}

export interface JobRecord extends LeasedRecord {
  readonly buildId: string;
  readonly name: string;
  readonly project: string;
  readonly kind: JobKind;
  readonly state: State;
  readonly reason: string | null;
  readonly isBlocked: number;
  /** It knows what to do: its build has a plan. */
  readonly isPlanned: boolean;
  /** Ids of the jobs that must have passed before. */
  readonly needs: readonly string[];
  /** When its worker said goodbye before a planned restart. */
  readonly goodbyeAt: number | null;
  /** As the worker of the newest attempt said; null: it did not say. */
  readonly workerArch: string | null;
}

export interface PublishRecord extends LeasedRecord {
  readonly buildId: string | null;
  readonly purpose: "stage" | "final";
  readonly state: PublishState;
}

/** A build with all that belongs to it: what decisions about its end are made from. */
export interface BuildLife {
  readonly build: BuildRecord;
  /** In their order: a job is needed only by those after it. */
  readonly jobs: readonly JobRecord[];
  readonly publishes: readonly PublishRecord[];
  /** Some job of it made packages. */
  readonly hasPackages: boolean;
}

/** Why a build could not be finished by us; the store makes a failure card of it. */
export interface OurFault {
  readonly code: InfraFaultCode;
  readonly title: string;
  readonly step: string | null;
}

export type JobFields = Partial<
  Pick<
    JobRecord,
    | "reason"
    | "isBlocked"
    | "attempt"
    | "countedAttempts"
    | "notBeforeAt"
    | "queuedAt"
    | "startedAt"
    | "worker"
    | "leaseTokenHash"
    | "leaseExpiresAt"
    | "workerArch"
    | "goodbyeAt"
  >
> & { readonly endedAt?: number };

export type PublishFields = Partial<
  Pick<
    PublishRecord,
    | "attempt"
    | "countedAttempts"
    | "notBeforeAt"
    | "startedAt"
    | "worker"
    | "leaseTokenHash"
    | "leaseExpiresAt"
  >
> & { readonly endedAt?: number; readonly progressJson?: null; readonly reason?: string | null };

/** An attempt that ended without a result, kept for whoever asks why there is another. */
export interface LostAttempt {
  readonly attempt: number;
  readonly kind: AttemptLoss;
  readonly reason: string;
  readonly worker: string | null;
}

/** What is written down of a decision. A build's change of state always says what its commit shows. */
export type Write =
  | {
      readonly on: "build";
      readonly id: string;
      readonly move: BuildMove;
      readonly set: {
        readonly reason?: string | null;
        readonly startedAt?: number | null;
        readonly endedAt?: number;
      };
      /** For the commit's status. */
      readonly text: string;
      /** Shows the failure that was kept, or none. */
      readonly showsFailure?: boolean;
    }
  | {
      readonly on: "job";
      readonly id: string;
      readonly move: JobMove;
      readonly set: JobFields;
      /** The attempt that ended so, which another follows. */
      readonly lost?: LostAttempt;
    }
  /** It may be claimed from now on, and has waited since now. */
  | { readonly on: "unblocked"; readonly id: string; readonly queuedAt: number }
  /** Steps of an attempt that had not ended when it did: those that ran, and those that did not. */
  | {
      readonly on: "open-steps";
      readonly jobId: string;
      readonly attempt: number;
      readonly running: "cancelled" | "errored";
    }
  | {
      readonly on: "publish";
      readonly id: string;
      readonly move: PublishMove;
      readonly set: PublishFields;
    }
  | { readonly on: "cancel-request"; readonly buildId: string; readonly at: number }
  /** A line for people, beside those that are there already. */
  | { readonly on: "note"; readonly buildId: string; readonly text: string }
  /** Kept unless the build has one: people read the first. `fault` is null when a worker told it whole. */
  | {
      readonly on: "failure";
      readonly buildId: string;
      readonly title: string;
      readonly fault: OurFault | null;
    };

/** What the store does next, since it takes more than records. */
export type Next =
  | "nothing"
  /** Its packages go to the build's own channel, to be verified. */
  | "stage"
  /** Its packages go to where its rules send them; see `afterRelease`. */
  | "release";

export interface Verdict {
  readonly writes: readonly Write[];
  readonly next: Next;
}

export const NO_CHANGE: Verdict = { writes: [], next: "nothing" };

/** The build as it is once the writes are done. */
export function after(life: BuildLife, writes: readonly Write[]): BuildLife {
  return writes.reduce(written, life);
}

function written(life: BuildLife, write: Write): BuildLife {
  switch (write.on) {
    case "build":
      return { ...life, build: { ...life.build, ...write.set, state: write.move.to } };
    case "cancel-request":
      return { ...life, build: { ...life.build, cancelRequestedAt: write.at } };
    case "failure": {
      const failureTitle = life.build.failureTitle ?? write.title;
      return { ...life, build: { ...life.build, failureTitle } };
    }
    case "job":
      return {
        ...life,
        jobs: changed(life.jobs, write.id, { ...write.set, state: write.move.to }),
      };
    case "unblocked": {
      const { queuedAt } = write;
      return { ...life, jobs: changed(life.jobs, write.id, { isBlocked: 0, queuedAt }) };
    }
    case "publish": {
      const set = { ...write.set, state: write.move.to };
      return { ...life, publishes: changed(life.publishes, write.id, set) };
    }
    case "open-steps":
    case "note":
      return life;
  }
}

function changed<R extends { readonly id: string }>(
  records: readonly R[],
  id: string,
  set: Partial<R>,
): readonly R[] {
  return records.map((record) => (record.id === id ? { ...record, ...set } : record));
}
