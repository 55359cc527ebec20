import type { JobEnd, Loss } from "../../../../src/domain/life/job-ends.ts";
import type { JobRecord } from "../../../../src/domain/life/records.ts";
import { isFinal, type State } from "../../../../src/domain/states.ts";
import type { Build, Lease, PlannedJob } from "./kept.ts";
import type { Lives } from "./lives.ts";

/** What build workers are granted, and what they say of it. */
export class Jobs {
  readonly #lives: Lives;

  constructor(lives: Lives) {
    this.#lives = lives;
  }

  /** Jobs that a worker of this machine may be granted, oldest first. */
  claimable(arch: string, archOf: ReadonlyMap<string, string>): readonly JobRecord[] {
    const { builds, rules, now } = this.#lives;
    return builds.flatMap(({ life }) =>
      isFinal(life.build.state)
        ? []
        : life.jobs.filter((job) => {
            const wanted = archOf.get(job.id);
            const fits = wanted === undefined || wanted === arch;
            return fits && rules.mayClaimJob(job, life.build, now);
          }),
    );
  }

  claim(job: JobRecord, worker: string, arch: string | null, token: string): JobRecord | undefined {
    const lives = this.#lives;
    const build = lives.buildOfJob(job.id);
    const claim = { worker, tokenHash: token, arch, now: lives.now };
    const { writes } = lives.rules.grantJob(job, build.life.build, claim);
    if (writes.length === 0) return undefined;
    lives.write(build, writes);
    const granted = lives.job(job.id);
    if (granted.isPlanned) lives.steps.bear(granted);
    return granted;
  }

  renew(lease: Lease): "cancel" | "go-on" | "stale" {
    const job = this.#held(lease);
    if (job === undefined) return "stale";
    const { rules, now } = this.#lives;
    const build = this.#lives.buildOfJob(job.id);
    const leaseExpiresAt = rules.leaseUntil(job.goodbyeAt, now);
    this.#lives.setJob(build, job.id, { leaseExpiresAt });
    return build.life.build.cancelRequestedAt === null ? "go-on" : "cancel";
  }

  goodbye(lease: Lease): void {
    const job = this.#held(lease);
    if (job === undefined) return;
    const { rules, now } = this.#lives;
    const set = rules.goodbyeOfWorker({ state: job.state, isNewest: true }, now);
    if (set !== undefined) this.#lives.setJob(this.#lives.buildOfJob(job.id), job.id, set);
  }

  /** The worker has come back; `stepsBefore`: how many had ended when it was there last. */
  comeBack(lease: Lease, nextToken: string, stepsBefore: number): "resumed" | "gone" {
    const { rules, steps, now } = this.#lives;
    const job = this.#lives.job(lease.id);
    const held = {
      state: job.state,
      isNewest: job.leaseTokenHash === lease.token,
      countedAttempts: job.countedAttempts,
      goodbyeAt: job.goodbyeAt,
      hasEndedStep: steps.endedCount(job) > stepsBefore,
    };
    const verdict = rules.returnOfWorker(held, now);
    if (verdict.kind === "stale") return "gone";
    if (verdict.kind === "give-up") {
      this.lose(job, "worker-lost");
      return "gone";
    }
    const build = this.#lives.buildOfJob(job.id);
    this.#lives.setJob(build, job.id, { ...verdict.set, leaseTokenHash: nextToken });
    return "resumed";
  }

  plan(
    lease: Lease,
    planned: readonly PlannedJob[],
    facts: { readonly nothingToDo: string | null; readonly publishes: boolean },
  ): JobRecord | undefined {
    const job = this.#held(lease);
    if (job === undefined) return undefined;
    const lives = this.#lives;
    const { rules, now } = lives;
    const build = lives.buildOfJob(job.id);
    if (build.life.build.cancelRequestedAt !== null) {
      lives.carryOut(build, rules.cancelJob(build.life, job, now));
      return undefined;
    }
    // The answer to the first sending was lost.
    if (job.isPlanned) return job;
    const place = rules.ownPlace(planned, job.workerArch);
    this.#bearJobs(build, job, planned, place.index);
    build.publishes = facts.publishes;
    const skip = planned[place.index]?.skip ?? null;
    const decided = { nothingToDo: facts.nothingToDo, skip, fits: place.fits };
    lives.carryOut(build, rules.afterPlan(build.life, lives.job(job.id), decided, now));
    const own = lives.job(job.id);
    if (own.state !== "running") return undefined;
    lives.steps.bear(own);
    return own;
  }

  #bearJobs(build: Build, job: JobRecord, planned: readonly PlannedJob[], own: number): void {
    const buildId = build.life.build.id;
    const born = planned.map((one, index) => {
      const facts = { kind: one.kind, isPlanned: true, name: `job ${index}`, project: `p${index}` };
      const { state, isBlocked } = this.#lives.rules.birthOfJob(one);
      if (index === own) return { ...job, ...facts, isBlocked };
      return this.#lives.newJob(buildId, { ...facts, state, isBlocked, reason: one.skip });
    });
    const jobs = born.map((one, index) => ({
      ...one,
      needs: (planned[index]?.needs ?? []).flatMap((at) => born[at]?.id ?? []),
    }));
    if (jobs.length > 0) this.#lives.replaceJobs(build, jobs);
  }

  step(lease: Lease, name: string, state: Exclude<State, "queued">): boolean {
    const job = this.#held(lease);
    if (job === undefined) return false;
    const step = this.#lives.steps.of(job).find((one) => one.name === name);
    const to = step && this.#lives.rules.pathOfStep(step.state, state)?.at(-1)?.to;
    if (step !== undefined && to !== undefined) step.state = to;
    return true;
  }

  end(lease: Lease, end: JobEnd, hasPackages: boolean): "ended" | "stale" {
    const lives = this.#lives;
    const job = lives.job(lease.id);
    const standing = lives.rules.standingOf(job, job.leaseTokenHash === lease.token);
    if (standing !== "holder") return standing;
    const build = lives.buildOfJob(job.id);
    if (hasPackages) build.life = { ...build.life, hasPackages: true };
    lives.carryOut(build, lives.rules.endJob(build.life, job, end, lives.now));
    return "ended";
  }

  fault(
    lease: Lease,
    kind: "infra-fault" | "handed-back",
    code: "INTERNAL" | "COMMIT_GONE" = "INTERNAL",
  ): boolean {
    const job = this.#held(lease);
    if (job !== undefined) this.lose(job, kind, code);
    return job !== undefined;
  }

  /** This attempt ends without a result. */
  lose(job: JobRecord, kind: Loss["kind"], code: Loss["code"] = "WORKER_LOST"): void {
    const lives = this.#lives;
    const build = lives.buildOfJob(job.id);
    const loss = { kind, code, message: "its worker was lost", step: null };
    lives.carryOut(build, lives.rules.loseAttempt(build.life, job, loss, lives.now));
  }

  #held({ id, token }: Lease): JobRecord | undefined {
    const job = this.#lives.job(id);
    const standing = this.#lives.rules.standingOf(job, job.leaseTokenHash === token);
    return standing === "holder" ? job : undefined;
  }
}
