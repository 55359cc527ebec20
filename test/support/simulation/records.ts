import {
  after,
  type BuildLife,
  type JobRecord,
  type PublishRecord,
  type Verdict,
  type Write,
} from "../../../src/domain/life/records.ts";
import type { JobEnd, Loss } from "../../../src/domain/life/job-ends.ts";
import type { PublishEnd, PublishLoss } from "../../../src/domain/life/publish-ends.ts";
import { isFinal, type State } from "../../../src/domain/states.ts";
import {
  aBuild,
  aJob,
  aPublish,
  type Build,
  type Delivery,
  type Lease,
  type PlannedJob,
  type Step,
} from "./kept.ts";
import { illegalMove } from "./legal.ts";
import { Outbox } from "./outbox.ts";
import type { Rules } from "./rules.ts";

export const WAIT_MS = 24 * 3_600_000;
/** Of one repo. */
export const WAITING_MAX = 30;

/**
 * The smallest keeper of records that the rules can be run on: what the store does in SQL, done in
 * memory, one transaction a call. It decides nothing by itself.
 */
export class Records {
  readonly builds: Build[] = [];
  readonly deliveries: Delivery[] = [];
  readonly outbox: Outbox;
  readonly steps = new Map<string, Step[]>();
  /** Ids of publishes, in the order in which pointers moved for them. */
  readonly generations: string[] = [];
  /** Moves that are in no table, and decisions about records that were otherwise. */
  readonly illegal: string[] = [];
  readonly #rules: Rules;
  readonly #byJob = new Map<string, Build>();
  readonly #byPublish = new Map<string, Build>();
  #ids = 0;
  now = 1_000_000_000;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.outbox = new Outbox(rules);
  }

  // Deliveries and builds.

  push(deliveryId: string, pushKey: string, sha: string): Build {
    const seen = this.deliveries.find(({ id }) => id === deliveryId);
    const owner = this.builds.findLast((build) => build.pushKey === pushKey);
    const { kind } = this.#rules.decideDelivery({
      seen: seen?.disposition,
      ownerState: owner?.life.build.state,
      foundState: undefined,
    });
    if (kind === "known" && seen !== undefined) return seen.build;
    if (kind === "same-push" && owner !== undefined) {
      this.deliveries.push({ id: deliveryId, disposition: "duplicate", build: owner });
      return owner;
    }
    const build = this.#newBuild(sha, pushKey);
    this.deliveries.push({ id: deliveryId, disposition: "accepted", build });
    return build;
  }

  rerun(old: Build): Build | undefined {
    return isFinal(old.life.build.state) ? this.#newBuild(old.sha, null) : undefined;
  }

  #newBuild(sha: string, pushKey: string | null): Build {
    const id = this.#newId("b");
    const waiting = this.builds.filter(({ life }) => life.build.state === "queued").length;
    const end = this.#rules.overQuota("acme/hello", waiting, WAITING_MAX);
    const life: BuildLife = {
      build: aBuild(id, end?.state ?? "queued"),
      jobs: end === null ? [this.#newJob(id)] : [],
      publishes: [],
      hasPackages: false,
    };
    const build = { number: this.builds.length + 1, sha, pushKey, publishes: false, life };
    this.builds.push(build);
    this.#index(build);
    this.outbox.want(build, life.build.state, this.now);
    return build;
  }

  #newJob(buildId: string, facts: Partial<JobRecord> = {}): JobRecord {
    return aJob({ id: this.#newId("j"), buildId, queuedAt: this.now, ...facts });
  }

  cancel(build: Build, by: string): ReturnType<Rules["cancelBuild"]>["result"] {
    const { result, writes } = this.#rules.cancelBuild(build.life, by, this.now);
    this.#write(build, writes);
    return result;
  }

  supersede(older: Build, newer: Build): void {
    if (isFinal(older.life.build.state) || older.life.build.cancelRequestedAt !== null) return;
    const { life } = older;
    older.life = { ...life, build: { ...life.build, supersededByNumber: newer.number } };
    this.cancel(older, `a newer push, #${newer.number}`);
  }

  // Jobs.

  /** Jobs that a worker of this machine may be granted, oldest first. */
  claimable(arch: string, archOf: ReadonlyMap<string, string>): readonly JobRecord[] {
    return this.builds.flatMap(({ life }) =>
      isFinal(life.build.state)
        ? []
        : life.jobs.filter((job) => {
            const wanted = archOf.get(job.id);
            const fits = wanted === undefined || wanted === arch;
            return fits && this.#rules.mayClaimJob(job, life.build, this.now);
          }),
    );
  }

  claim(job: JobRecord, worker: string, arch: string | null, token: string): JobRecord | undefined {
    const build = this.buildOfJob(job.id);
    const claim = { worker, tokenHash: token, arch, now: this.now };
    const { writes } = this.#rules.grantJob(job, build.life.build, claim);
    if (writes.length === 0) return undefined;
    this.#write(build, writes);
    const granted = this.job(job.id);
    if (granted.isPlanned) this.#bearSteps(granted);
    return granted;
  }

  renew(lease: Lease): "cancel" | "go-on" | "stale" {
    const job = this.#held(lease);
    if (job === undefined) return "stale";
    const build = this.buildOfJob(job.id);
    const leaseExpiresAt = this.#rules.leaseUntil(job.goodbyeAt, this.now);
    this.#set(build, job.id, { leaseExpiresAt });
    return build.life.build.cancelRequestedAt === null ? "go-on" : "cancel";
  }

  goodbye(lease: Lease): void {
    const job = this.#held(lease);
    const set = job && this.#rules.goodbyeOfWorker({ state: job.state, isNewest: true }, this.now);
    if (job !== undefined && set !== undefined) this.#set(this.buildOfJob(job.id), job.id, set);
  }

  /** The worker has come back; `stepsBefore`: how many had ended when it was there last. */
  comeBack(lease: Lease, nextToken: string, stepsBefore: number): "resumed" | "gone" {
    const job = this.job(lease.id);
    const build = this.buildOfJob(job.id);
    const held = {
      state: job.state,
      isNewest: job.leaseTokenHash === lease.token,
      countedAttempts: job.countedAttempts,
      goodbyeAt: job.goodbyeAt,
      hasEndedStep: this.endedSteps(job) > stepsBefore,
    };
    const verdict = this.#rules.returnOfWorker(held, this.now);
    if (verdict.kind === "stale") return "gone";
    if (verdict.kind === "give-up") {
      this.#lose(build, job, { kind: "worker-lost", ...LOST });
      return "gone";
    }
    this.#set(build, job.id, { ...verdict.set, leaseTokenHash: nextToken });
    return "resumed";
  }

  plan(
    lease: Lease,
    planned: readonly PlannedJob[],
    facts: { readonly nothingToDo: string | null; readonly publishes: boolean },
  ): JobRecord | undefined {
    const job = this.#held(lease);
    if (job === undefined) return undefined;
    const build = this.buildOfJob(job.id);
    if (build.life.build.cancelRequestedAt !== null) {
      this.#carryOut(build, this.#rules.cancelJob(build.life, job, this.now));
      return undefined;
    }
    // The answer to the first sending was lost.
    if (job.isPlanned) return job;
    const place = this.#rules.ownPlace(planned, job.workerArch);
    this.#bearJobs(build, job, planned, place.index);
    build.publishes = facts.publishes;
    const skip = planned[place.index]?.skip ?? null;
    const decided = { nothingToDo: facts.nothingToDo, skip, fits: place.fits };
    const verdict = this.#rules.afterPlan(build.life, this.job(job.id), decided, this.now);
    this.#carryOut(build, verdict);
    const own = this.job(job.id);
    if (own.state === "running") this.#bearSteps(own);
    return own.state === "running" ? own : undefined;
  }

  #bearJobs(build: Build, job: JobRecord, planned: readonly PlannedJob[], own: number): void {
    const buildId = build.life.build.id;
    const born = planned.map((one, index) => {
      const facts = { kind: one.kind, isPlanned: true, name: `job ${index}`, project: `p${index}` };
      const { state, isBlocked } = this.#rules.birthOfJob(one);
      if (index === own) return { ...job, ...facts, isBlocked };
      return this.#newJob(buildId, { ...facts, state, isBlocked, reason: one.skip });
    });
    const jobs = born.map((one, index) => ({
      ...one,
      needs: (planned[index]?.needs ?? []).flatMap((at) => born[at]?.id ?? []),
    }));
    build.life = { ...build.life, jobs: jobs.length === 0 ? build.life.jobs : jobs };
    this.#index(build);
  }

  step(lease: Lease, name: string, state: Exclude<State, "queued">): boolean {
    const job = this.#held(lease);
    if (job === undefined) return false;
    const step = this.steps
      .get(job.id)
      ?.find((one) => one.attempt === job.attempt && one.name === name);
    const to = step && this.#rules.pathOfStep(step.state, state)?.at(-1)?.to;
    if (step !== undefined && to !== undefined) step.state = to;
    return true;
  }

  end(lease: Lease, end: JobEnd, hasPackages: boolean): "ended" | "stale" {
    const job = this.job(lease.id);
    const standing = this.#rules.standingOf(job, job.leaseTokenHash === lease.token);
    if (standing !== "holder") return standing;
    const build = this.buildOfJob(job.id);
    if (hasPackages) build.life = { ...build.life, hasPackages: true };
    this.#carryOut(build, this.#rules.endJob(build.life, job, end, this.now));
    return "ended";
  }

  fault(
    lease: Lease,
    kind: "infra-fault" | "handed-back",
    code: "INTERNAL" | "COMMIT_GONE" = "INTERNAL",
  ): boolean {
    const job = this.#held(lease);
    if (job === undefined) return false;
    this.#lose(this.buildOfJob(job.id), job, { kind, ...LOST, code });
    return true;
  }

  #lose(build: Build, job: JobRecord, loss: Loss): void {
    this.#carryOut(build, this.#rules.loseAttempt(build.life, job, loss, this.now));
  }

  #held({ id, token }: Lease): JobRecord | undefined {
    const job = this.job(id);
    const standing = this.#rules.standingOf(job, job.leaseTokenHash === token);
    return standing === "holder" ? job : undefined;
  }

  // Publishes.

  claimablePublishes(): readonly PublishRecord[] {
    return this.builds.flatMap(({ life }) =>
      life.publishes.filter(
        ({ state, notBeforeAt }) => state === "queued" && notBeforeAt <= this.now,
      ),
    );
  }

  claimPublish(publish: PublishRecord, worker: string, token: string): void {
    const claim = { worker, tokenHash: token, now: this.now };
    const build = this.buildOfPublish(publish.id);
    this.#write(build, this.#rules.grantPublish(publish, claim).writes);
  }

  renewPublish(lease: Lease): boolean {
    const publish = this.#heldPublish(lease);
    if (publish === undefined) return false;
    const leaseExpiresAt = this.#rules.leaseUntil(null, this.now);
    this.#setPublish(this.buildOfPublish(publish.id), publish.id, { leaseExpiresAt });
    return true;
  }

  /** The one moment that matters: the pointer moves, or the end of another kind is written down. */
  finishPublish(lease: Lease, state: PublishEnd["state"]): "ended" | "stale" {
    const publish = this.publish(lease.id);
    const standing = this.#rules.standingOf(publish, publish.leaseTokenHash === lease.token);
    if (standing !== "holder") return standing;
    const build = this.buildOfPublish(publish.id);
    const failureTitle = state === "failed" ? "refused" : null;
    const end = { state, reason: null, text: state, failureTitle };
    this.#carryOut(build, this.#rules.finishPublish(build.life, publish, end, this.now));
    if (this.publish(publish.id).state === "live") this.generations.push(publish.id);
    return "ended";
  }

  losePublish(lease: Lease, kind: PublishLoss["kind"]): boolean {
    const publish = this.#heldPublish(lease);
    if (publish === undefined) return false;
    this.#losePublish(publish, kind);
    return true;
  }

  #losePublish(publish: PublishRecord, kind: PublishLoss["kind"]): void {
    const build = this.buildOfPublish(publish.id);
    const loss = { kind, code: "PUBLISH_FAILED", message: "lost" } as const;
    this.#carryOut(build, this.#rules.losePublish(build.life, publish, loss, this.now));
  }

  #heldPublish({ id, token }: Lease): PublishRecord | undefined {
    const publish = this.publish(id);
    const standing = this.#rules.standingOf(publish, publish.leaseTokenHash === token);
    return standing === "holder" ? publish : undefined;
  }

  // What the reconciler does.

  expire(): void {
    for (const build of this.builds) {
      if (isFinal(build.life.build.state)) continue;
      for (const { id } of build.life.jobs) {
        const job = this.job(id);
        if (!this.#rules.isLeaseOver(job, this.now)) continue;
        this.#lose(build, job, { ...LOST, kind: this.#rules.lossOfLease(job) });
      }
      for (const { id } of build.life.publishes) {
        const publish = this.publish(id);
        if (this.#rules.isLeaseOver(publish, this.now)) this.#losePublish(publish, "worker-lost");
      }
    }
  }

  expireQueued(): void {
    const times = { now: this.now, waitMs: WAIT_MS };
    for (const build of this.builds) {
      if (isFinal(build.life.build.state)) continue;
      for (const { id } of build.life.jobs) {
        this.#carryOut(build, this.#rules.giveUpWaiting(build.life, this.job(id), times));
      }
      for (const { id } of build.life.publishes) {
        const publish = this.publish(id);
        this.#carryOut(build, this.#rules.giveUpWaitingPublish(build.life, publish, times));
      }
    }
  }

  restartLeaseClocks(): void {
    for (const build of this.builds) {
      for (const job of build.life.jobs) {
        if (job.state !== "running") continue;
        const leaseExpiresAt = this.#rules.leaseUntil(job.goodbyeAt, this.now);
        this.#set(build, job.id, { leaseExpiresAt });
      }
      for (const { id, state } of build.life.publishes) {
        if (state !== "running") continue;
        const leaseExpiresAt = this.#rules.leaseUntil(null, this.now);
        this.#setPublish(build, id, { leaseExpiresAt });
      }
    }
  }

  // Reading.

  job(id: string): JobRecord {
    return found(this.buildOfJob(id).life.jobs.find((job) => job.id === id));
  }

  publish(id: string): PublishRecord {
    return found(this.buildOfPublish(id).life.publishes.find((one) => one.id === id));
  }

  buildOfJob(id: string): Build {
    return found(this.#byJob.get(id));
  }

  buildOfPublish(id: string): Build {
    return found(this.#byPublish.get(id));
  }

  endedSteps({ id, attempt }: JobRecord): number {
    const steps = this.steps.get(id) ?? [];
    return steps.filter((step) => step.attempt === attempt && isFinal(step.state)).length;
  }

  // Writing.

  #carryOut(build: Build, verdict: Verdict): void {
    this.#write(build, verdict.writes);
    if (verdict.next === "nothing") return;
    const isPublishing = verdict.next === "stage" || (build.publishes && build.life.hasPackages);
    if (isPublishing) this.#insertPublish(build, verdict.next === "stage" ? "stage" : "final");
    if (verdict.next === "stage") return;
    this.#write(build, this.#rules.afterRelease(build.life, isPublishing, this.now).writes);
  }

  #insertPublish(build: Build, purpose: "stage" | "final"): void {
    const { life } = build;
    const id = this.#newId("p");
    const buildId = life.build.id;
    const publish = aPublish({ id, buildId, purpose, queuedAt: this.now });
    build.life = { ...life, publishes: [...life.publishes, publish] };
    this.#byPublish.set(id, build);
  }

  #write(build: Build, writes: readonly Write[]): void {
    for (const write of writes) {
      this.illegal.push(...illegalMove(build.life, write));
      build.life = after(build.life, [write]);
      if (write.on === "build") this.outbox.want(build, write.move.to, this.now);
      if (write.on === "open-steps") this.#endOpenSteps(write);
    }
  }

  #endOpenSteps({ jobId, attempt, running }: Extract<Write, { on: "open-steps" }>): void {
    for (const step of this.steps.get(jobId) ?? []) {
      if (step.attempt !== attempt || isFinal(step.state)) continue;
      step.state = step.state === "queued" ? "skipped" : running;
    }
  }

  #bearSteps({ id: jobId, attempt }: JobRecord): void {
    const steps = this.steps.get(jobId) ?? [];
    for (const name of STEPS) steps.push({ jobId, attempt, name, state: "queued" });
    this.steps.set(jobId, steps);
  }

  #set(build: Build, id: string, set: Partial<JobRecord>): void {
    const jobs = build.life.jobs.map((job) => (job.id === id ? { ...job, ...set } : job));
    build.life = { ...build.life, jobs };
  }

  #setPublish(build: Build, id: string, set: Partial<PublishRecord>): void {
    const { publishes } = build.life;
    const changed = publishes.map((one) => (one.id === id ? { ...one, ...set } : one));
    build.life = { ...build.life, publishes: changed };
  }

  #index(build: Build): void {
    for (const { id } of build.life.jobs) this.#byJob.set(id, build);
  }

  #newId(prefix: string): string {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }
}

export const STEPS = ["tests"] as const;
const LOST = { code: "WORKER_LOST", message: "its worker was lost", step: null } as const;
function found<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error("The simulation names what is not there.");
  return thing;
}
