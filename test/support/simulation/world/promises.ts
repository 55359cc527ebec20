import { ATTEMPTS_MAX } from "../../../../src/domain/attempt.ts";
import { COMMIT_STATE, type CommitState } from "../../../../src/domain/commit-status.ts";
import type { BuildLife, JobRecord } from "../../../../src/domain/life/records.ts";
import { isFinal, type State } from "../../../../src/domain/states.ts";
import type { Build, Lease } from "../records/kept.ts";
import type { Lives } from "../records/lives.ts";
import type { Forge } from "./forge.ts";

/**
 * What is promised, looked at from outside: it knows what happened, never how it was decided. Each
 * broken promise is a line.
 */
export class Promises {
  readonly broken: string[] = [];
  readonly #lives: Lives;
  /** Job or publish → the token of its newest attempt. */
  readonly #newest = new Map<string, string>();
  readonly #ledTo = new Map<string, Build>();
  readonly #forgiven = new Map<string, number>();
  readonly #crashes = new Map<string, number>();
  readonly #finals = new Map<string, State>();
  readonly #stepFinals = new WeakMap<object, State>();
  readonly #cancelled = new Set<Build>();
  readonly #wanted = new Map<string, { number: number; state: CommitState }>();
  #checkedBuilds: readonly unknown[] = [];

  constructor(lives: Lives) {
    this.#lives = lives;
  }

  granted(lease: Lease): void {
    this.#newest.set(lease.id, lease.token);
    if (!lease.id.startsWith("j")) return;
    const job = this.#lives.job(lease.id);
    if (job.attempt - (this.#forgiven.get(job.id) ?? 0) > ATTEMPTS_MAX) {
      this.#tell("I2", `${job.id} got attempt ${job.attempt}`);
    }
  }

  /** An attempt of the job that costs none: it was handed back, or its worker said goodbye. */
  forgiven(jobId: string): void {
    this.#forgiven.set(jobId, (this.#forgiven.get(jobId) ?? 0) + 1);
  }

  /** F21: a job does not bring its worker down for ever. F39: a planned restart costs nothing. */
  cameBack(jobId: string, how: "planned" | "crash" | "crash after progress", cost: number): void {
    const times = how === "crash" ? (this.#crashes.get(jobId) ?? 0) + 1 : 0;
    if (how !== "planned") this.#crashes.set(jobId, times);
    if (times >= ATTEMPTS_MAX) this.#tell("I2", `${jobId} took its worker with it ${times} times`);
    if (how === "planned" && cost > 0) this.#tell("I2", `${jobId} lost an attempt to a restart`);
  }

  /** The same attempt goes on under another token. */
  renamed(lease: Lease): void {
    this.#newest.set(lease.id, lease.token);
  }

  /** I9: a token that is not the newest changes nothing. */
  fenced<Answer>({ id, token }: Lease, work: () => Answer): Answer {
    if (this.#newest.get(id) === token) return work();
    const before = this.#seen(id);
    const answer = work();
    if (this.#seen(id) !== before) this.#tell("I9", `${id} was changed under the stale ${token}`);
    return answer;
  }

  #seen(id: string): string {
    const { life } = id.startsWith("p")
      ? this.#lives.buildOfPublish(id)
      : this.#lives.buildOfJob(id);
    const steps = (this.#lives.steps.byJob.get(id) ?? []).map(({ state }) => state);
    return JSON.stringify([life, steps, this.#lives.generations.length]);
  }

  /** I1: the same push leads to one build, unless that one was stopped or was our fault. */
  pushed(deliveryId: string, key: string, push: () => Build): void {
    const before = this.#lives.builds.findLast(({ pushKey }) => pushKey === key);
    const mayAgain =
      before === undefined || ["errored", "cancelled"].includes(before.life.build.state);
    const count = this.#lives.builds.length;
    const build = push();
    const isNew = this.#lives.builds.length > count;
    if (isNew && !mayAgain) this.#tell("I1", `${key} was built again as #${build.number}`);
    const led = this.#ledTo.get(deliveryId) ?? build;
    if (led !== build)
      this.#tell("I1", `${deliveryId} led to #${led.number}, then #${build.number}`);
    this.#ledTo.set(deliveryId, build);
    if (build.pushKey !== key) this.#tell("I1", `${key} led to a build of ${build.pushKey}`);
  }

  cancelled(build: Build, result: "cancelled" | "cancelling" | "already-final"): void {
    if (result !== "already-final") this.#cancelled.add(build);
  }

  /** After each thing that happened. */
  check(): void {
    const { builds, illegal, outbox } = this.#lives;
    for (const what of illegal.splice(0)) this.#tell("I2", what);
    const lives = builds.map(({ life }) => life);
    for (const [index, build] of builds.entries()) {
      if (lives[index] !== this.#checkedBuilds[index]) this.#checkBuild(build);
    }
    this.#checkedBuilds = lives;
    this.#checkSteps();
    for (const [sha, row] of outbox.rows) {
      const before = this.#wanted.get(sha);
      const isSame = before?.number === row.buildNumber;
      if (isSame && before.state !== "pending" && row.state === "pending") {
        this.#tell("I3", `pending after ${before.state} of #${row.buildNumber}`);
      }
      if ((before?.number ?? 0) > row.buildNumber) {
        this.#tell("I3", `#${row.buildNumber} speaks after #${before?.number}`);
      }
      this.#wanted.set(sha, { number: row.buildNumber, state: row.state });
    }
  }

  #checkSteps(): void {
    for (const steps of this.#lives.steps.byJob.values()) {
      for (const step of steps) {
        const first = this.#stepFinals.get(step);
        if (first === undefined && isFinal(step.state)) this.#stepFinals.set(step, step.state);
        if (first !== undefined && first !== step.state) {
          this.#tell("I2", `step ${step.name} of ${step.jobId} was ${first}, then ${step.state}`);
        }
      }
    }
  }

  #checkBuild(build: Build): void {
    const { life } = build;
    this.#checkFinal(life.build.id, life.build.state);
    for (const job of life.jobs) this.#checkJob(job, life);
    for (const { id, state } of life.publishes) {
      if (state !== "queued" && state !== "running") this.#checkFinal(id, state as State);
    }
    const { state, id } = life.build;
    if (this.#cancelled.has(build) && isFinal(state) && state !== "cancelled") {
      this.#tell("I2", `${id} was asked to stop and ended ${state}`);
    }
    const live = life.publishes.filter((one) => one.state === "live");
    const purposes = new Set(life.publishes.map(({ purpose }) => purpose));
    if (purposes.size < life.publishes.length) this.#tell("I2", `${id} publishes twice`);
    const isFinalLive = live.some(({ purpose }) => purpose === "final");
    if (isFinalLive && state !== "passed") this.#tell("I5", `${id} is live and ${state}`);
    if (state === "passed" && life.jobs.some((job) => !["passed", "skipped"].includes(job.state))) {
      this.#tell("I2", `${id} passed, but not all of its jobs`);
    }
    const parts = [...life.jobs, ...life.publishes];
    const lateJob = isFinal(state) && parts.find((one) => isOpen(one.state));
    if (lateJob) this.#tell("I2", `${id} ended ${state} while ${lateJob.id} is ${lateJob.state}`);
    const isUnverified = life.jobs.some(
      (job) => job.kind === "verify" && !["passed", "skipped"].includes(job.state),
    );
    if (isFinalLive && isUnverified) this.#tell("I5", `${id} is live and was not verified`);
  }

  #checkJob(job: JobRecord, { jobs, publishes }: BuildLife): void {
    const { id, state, countedAttempts } = job;
    this.#checkFinal(id, state);
    const need = jobs.find((one) => job.needs.includes(one.id) && one.state !== "passed");
    const isStaged = publishes.some((one) => one.purpose === "stage" && one.state === "live");
    if (state === "running" && need)
      this.#tell("I2", `${id} runs, but ${need.id} is ${need.state}`);
    if (state === "running" && job.kind === "verify" && !isStaged) {
      this.#tell("I2", `${id} verifies what is not there`);
    }
    if (countedAttempts < 0) this.#tell("I2", `${id} has ${countedAttempts} attempts`);
  }

  #checkFinal(id: string, state: State): void {
    const first = this.#finals.get(id);
    const isEnd = state !== "queued" && state !== "running";
    if (first === undefined && isEnd) this.#finals.set(id, state);
    if (first !== undefined && first !== state)
      this.#tell("I2", `${id} was ${first}, then ${state}`);
  }

  /** Once the world was left alone for long enough. */
  checkEnd(forge: Forge): void {
    this.check();
    for (const { life } of this.#lives.builds) {
      const { build, jobs, publishes } = life;
      const open = [build, ...jobs, ...publishes].filter(({ state }) => isOpen(state));
      for (const { id, state } of open) this.#tell("I2", `${id} is ${state} for ever`);
    }
    const { generations } = this.#lives;
    if (new Set(generations).size < generations.length)
      this.#tell("I5", "a publish went live twice");
    for (const steps of this.#lives.steps.byJob.values()) {
      const open = steps.find(({ state }) => isOpen(state));
      if (open) this.#tell("I2", `step ${open.name} of ${open.jobId} is ${open.state} for ever`);
    }
    for (const [sha, state] of this.#expected()) {
      const shown = forge.shown.get(sha);
      if (shown !== state) this.#tell("I3", `${sha} shows ${shown} instead of ${state}`);
    }
  }

  /** What each commit should show: the state of its newest build. */
  #expected(): ReadonlyMap<string, CommitState> {
    return new Map(
      this.#lives.builds.map(({ sha, life }) => [sha, COMMIT_STATE[life.build.state]]),
    );
  }

  #tell(promise: string, what: string): void {
    this.broken.push(`${promise}: ${what}`);
  }
}

function isOpen(state: string): boolean {
  return state === "queued" || state === "running";
}
