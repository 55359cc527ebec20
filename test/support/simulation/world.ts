import { isFinal } from "../../../src/domain/states.ts";
import { Forge } from "./forge.ts";
import { Network, type Message } from "./network.ts";
import { Promises } from "./promises.ts";
import { PLANS } from "./plans.ts";
import type { Build, Lease } from "./kept.ts";
import { Records, STEPS } from "./records.ts";
import type { Rules } from "./rules.ts";

/** What a worker has in memory of the job that it works on. */
interface HeldJob extends Lease {
  /** Index of what it says next: its plan, its steps, its end. */
  at: number;
  isCancelled: boolean;
}

interface Worker {
  readonly name: string;
  readonly arch: string;
  held: HeldJob | undefined;
  /** On its disk: what a start after a crash finds. */
  disk: (Lease & { stepsBefore: number }) | undefined;
  isAlive: boolean;
}

interface Publisher {
  readonly name: string;
  held: Lease | undefined;
}

const WORD_COUNT = 1 + STEPS.length * 2;
const HOUR_MS = 3_600_000;

/**
 * A whole Tatara in memory: a server that crashes, workers, publishers, posters and a forge, a
 * network that delays, repeats, reorders and loses, people, and a clock that jumps. All of it runs on
 * the same rules as the server; nothing in here decides what becomes of a build.
 */
export class World {
  readonly records: Records;
  readonly promises: Promises;
  readonly forge: Forge;
  /** What was done to it that nobody wishes for. */
  faults = 0;
  readonly #workers: readonly Worker[] = [
    worker("w0", "x86_64"),
    worker("w1", "x86_64"),
    worker("w2", "aarch64"),
  ];
  readonly #publishers: readonly Publisher[] = [
    { name: "p0", held: undefined },
    { name: "p1", held: undefined },
  ];
  readonly #archOf = new Map<string, string>();
  readonly #network = new Network();
  #isUp = true;
  #offsetMs = 0;
  #tokens = 0;
  #deliveries = 0;

  constructor(rules: Rules) {
    this.records = new Records(rules);
    this.promises = new Promises(this.records);
    this.forge = new Forge(this.records);
  }

  // People and forges.

  /** A push of one of a few tuples; the delivery is new, or one that was sent before. */
  push(tuple: number, again: number): void {
    if (!this.#isUp) return;
    const isNew = again % 3 > 0 || this.#deliveries === 0;
    if (isNew) this.#deliveries += 1;
    const id = isNew ? `d${this.#deliveries}` : `d${1 + (again % this.#deliveries)}`;
    const known = this.records.deliveries.find((delivery) => delivery.id === id);
    const key = known?.build.pushKey ?? `push ${tuple % 4}`;
    this.promises.pushed(id, key, () => this.records.push(id, key, `sha ${key}`));
  }

  cancel(which: number): void {
    const build = this.#isUp ? this.#pick(which) : undefined;
    if (build !== undefined) this.promises.cancelled(build, this.records.cancel(build, "dev1"));
  }

  rerun(which: number): void {
    const build = this.#isUp ? this.#pick(which) : undefined;
    if (build !== undefined) this.records.rerun(build);
  }

  supersede(which: number): void {
    const older = this.#isUp ? this.#pick(which) : undefined;
    const newer = this.records.builds.at(-1);
    if (older !== undefined && newer !== undefined && older !== newer) {
      this.records.supersede(older, newer);
    }
  }

  /** Mostly one that is under way. */
  #pick(which: number): Build | undefined {
    const { builds } = this.records;
    const open = builds.filter(({ life }) => !isFinal(life.build.state));
    const some = which % 4 > 0 && open.length > 0 ? open : builds;
    return some.length === 0 ? undefined : some[which % some.length];
  }

  // Build workers.

  /** Those that it can happen to; all, if there is none. */
  #workersThat(suit: (one: Worker) => boolean): readonly Worker[] {
    const some = this.#workers.filter((one) => one.isAlive && suit(one));
    return some.length === 0 ? this.#workers : some;
  }

  /** An idle worker asks for work; the answer may be lost on its way. */
  ask(which: number, isAnswerLost: boolean): boolean {
    const one = at(
      this.#workersThat(({ held }) => held === undefined),
      which,
    );
    if (!this.#isUp || !one.isAlive || one.held !== undefined) return false;
    const [job] = this.records.claimable(one.arch, this.#archOf);
    if (job === undefined) return false;
    const lease = { id: job.id, token: this.#newToken() };
    if (this.records.claim(job, one.name, one.arch, lease.token) === undefined) return false;
    this.promises.granted(lease);
    if (isAnswerLost) return true;
    one.held = { ...lease, at: job.isPlanned ? 1 : 0, isCancelled: false };
    one.disk = { ...lease, stepsBefore: 0 };
    return true;
  }

  /** A worker says the next thing about its job: its plan, a step, or how it ended. */
  act(which: number, how: number, way: number): boolean {
    const one = at(
      this.#workersThat(({ held }) => held !== undefined),
      which,
    );
    const { held } = one;
    if (held === undefined || !one.isAlive) return false;
    this.#send(way, {
      say: () => this.#say(held, how),
      hear: (answer) => {
        if (one.held === held) this.#hear(one, held, answer);
      },
    });
    return true;
  }

  #say(held: HeldJob, how: number): "go-on" | "over" {
    const { at: word } = held;
    if (word === 0) return this.#sayPlan(held, how);
    if (held.isCancelled) return this.#sayEnd(held, "cancelled");
    if (word < WORD_COUNT) {
      const name = at(STEPS, Math.floor((word - 1) / 2));
      const state = word % 2 === 1 ? "running" : how % 11 === 10 ? "failed" : "passed";
      const isTaken = this.promises.fenced(held, () => this.records.step(held, name, state));
      return isTaken ? "go-on" : "over";
    }
    const end = at(["passed", "passed", "passed", "passed", "failed"] as const, how);
    if (how % 26 === 25) return this.#sayFault(held, "infra-fault", "COMMIT_GONE");
    if (how % 13 === 12) return this.#sayFault(held, "infra-fault", "INTERNAL");
    if (how % 13 === 11) return this.#sayFault(held, "handed-back", "INTERNAL");
    return this.#sayEnd(held, end);
  }

  #sayPlan(held: HeldJob, how: number): "go-on" | "over" {
    const plan = at(PLANS, how);
    const { jobs, nothingToDo, publishes } = plan;
    // Where all that can start wants another machine, the planner's attempt counts for nothing.
    this.promises.forgiven(held.id);
    const own = this.promises.fenced(held, () =>
      this.records.plan(held, jobs, { nothingToDo, publishes }),
    );
    const { life } = this.records.buildOfJob(held.id);
    for (const [index, { arch }] of jobs.entries()) {
      const job = life.jobs[index];
      if (arch !== null && job !== undefined) this.#archOf.set(job.id, arch);
    }
    return own === undefined ? "over" : "go-on";
  }

  #sayEnd(held: HeldJob, state: "passed" | "failed" | "cancelled"): "over" {
    const failureTitle = state === "failed" ? "it failed" : null;
    const isBuilding = this.records.job(held.id).kind === "build";
    const end = { state, reason: null, failureTitle };
    this.promises.fenced(held, () => this.records.end(held, end, isBuilding && state === "passed"));
    return "over";
  }

  #sayFault(
    held: HeldJob,
    kind: "infra-fault" | "handed-back",
    code: "INTERNAL" | "COMMIT_GONE",
  ): "over" {
    const isTaken = this.promises.fenced(held, () => this.records.fault(held, kind, code));
    if (isTaken && kind === "handed-back") this.promises.forgiven(held.id);
    return "over";
  }

  #hear(one: Worker, held: HeldJob, answer: "go-on" | "over"): void {
    held.at += 1;
    if (answer === "go-on") return;
    one.held = undefined;
    one.disk = undefined;
  }

  beat(which: number): void {
    const one = at(this.#workers, which);
    const { held } = one;
    if (!this.#isUp || held === undefined || !one.isAlive) return;
    const answer = this.promises.fenced(held, () => this.records.renew(held));
    if (answer === "cancel") held.isCancelled = true;
    if (answer !== "stale") return;
    one.held = undefined;
    one.disk = undefined;
  }

  crash(which: number): void {
    this.faults += 1;
    const one = at(this.#workers, which);
    one.held = undefined;
    one.isAlive = false;
  }

  /** A planned restart: it says goodbye, and is gone. */
  goodbye(which: number): void {
    const one = at(this.#workers, which);
    const { held } = one;
    if (held !== undefined && this.#isUp && one.isAlive) {
      this.promises.fenced(held, () => this.records.goodbye(held));
      this.promises.forgiven(held.id);
    }
    this.crash(which);
  }

  comeBack(which: number): void {
    const one = at(this.#workers, which);
    if (one.isAlive || !this.#isUp) return;
    one.isAlive = true;
    const { disk } = one;
    if (disk === undefined) return;
    const token = this.#newToken();
    const job = this.records.job(disk.id);
    const wasGoodbye = job.goodbyeAt !== null;
    const stepsEnded = this.records.endedSteps(job);
    const answer = this.promises.fenced(disk, () =>
      this.records.comeBack(disk, token, disk.stepsBefore),
    );
    if (answer === "gone") {
      one.disk = undefined;
      return;
    }
    const lease = { id: disk.id, token };
    this.promises.renamed(lease);
    const cost = this.records.job(disk.id).countedAttempts - job.countedAttempts;
    const how = stepsEnded > disk.stepsBefore ? "crash after progress" : "crash";
    this.promises.cameBack(disk.id, wasGoodbye ? "planned" : how, cost);
    one.disk = { ...lease, stepsBefore: stepsEnded };
    one.held = { ...lease, at: job.isPlanned ? 1 : 0, isCancelled: false };
  }

  restart(which: number): void {
    this.crash(which);
    this.comeBack(which);
  }

  // Publish workers.

  askPublish(which: number, isAnswerLost: boolean): boolean {
    const one = at(this.#publishers, which);
    if (!this.#isUp || one.held !== undefined) return false;
    const [publish] = this.records.claimablePublishes();
    if (publish === undefined) return false;
    const lease = { id: publish.id, token: this.#newToken() };
    this.records.claimPublish(publish, one.name, lease.token);
    this.promises.granted(lease);
    if (!isAnswerLost) one.held = lease;
    return true;
  }

  publish(which: number, how: number, way: number): boolean {
    const holders = this.#publishers.filter(({ held }) => held !== undefined);
    const one = at(holders.length === 0 ? this.#publishers : holders, which);
    const { held } = one;
    if (held === undefined) return false;
    const end = at(PUBLISH_ENDS, how);
    const say = (): "over" => {
      this.promises.fenced(held, () =>
        end === "live" || end === "failed"
          ? this.records.finishPublish(held, end)
          : this.records.losePublish(held, end),
      );
      return "over";
    };
    const hear = (): void => {
      if (one.held === held) one.held = undefined;
    };
    this.#send(way, { say, hear });
    return true;
  }

  beatPublish(which: number): void {
    const { held } = at(this.#publishers, which);
    if (this.#isUp && held !== undefined) {
      this.promises.fenced(held, () => this.records.renewPublish(held));
    }
  }

  crashPublisher(which: number): void {
    this.faults += 1;
    at(this.#publishers, which).held = undefined;
  }

  #send<Answer>(way: number, message: Message<Answer>): void {
    if (this.#network.send(way, message, this.#isUp)) this.faults += 1;
  }

  /** What was late arrives, in any order, once more or never. */
  arrive(which: number, fate: number): void {
    this.#network.arrive(which, fate, this.#isUp);
  }

  // The server and the clock.

  serverDies(): void {
    if (this.#isUp) this.faults += 1;
    this.#isUp = false;
  }

  serverStarts(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.records.restartLeaseClocks();
  }

  /** Time passes while all that is alive looks at its clock each second. */
  wait(ms: number): void {
    this.records.now += ms;
    this.forge.passed(ms);
    if (this.#isUp) this.records.expire();
  }

  /** Somebody sets the clock: the reconciler sees it, and nobody is blamed. */
  jump(wish: number): void {
    // An hour ahead, an hour behind, or right again.
    this.faults += 1;
    const offsetMs = ((wish % 3) - 1) * HOUR_MS;
    // A post that is on its way for longer than its doubt is beyond what is promised.
    this.forge.passed(HOUR_MS);
    this.records.now += offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (this.#isUp) this.records.restartLeaseClocks();
  }

  // The end.

  /** From here on all is well: everything is taken, passes, and is told. */
  calmDown(): void {
    this.#allReturn();
    for (let idle = 0, rounds = 0; idle < IDLE_ROUNDS && rounds < ROUNDS_MAX; rounds += 1) {
      const didAny = this.#workCalmly();
      idle = didAny ? 0 : idle + 1;
      this.#beatAll();
      this.wait(didAny ? 1_000 : IDLE_MS);
    }
    this.forge.calmDown((ms) => this.wait(ms));
  }

  /** From here on no worker comes: all that waits is given up in the end. */
  abandon(): void {
    this.serverStarts();
    this.#network.forget();
    for (let days = 0; days < DAYS; days += 1) {
      this.wait(25 * HOUR_MS);
      this.records.expireQueued();
    }
    this.forge.calmDown((ms) => this.wait(ms));
  }

  #allReturn(): void {
    this.serverStarts();
    this.#network.deliverAll();
    for (const index of this.#workers.keys()) this.comeBack(index);
  }

  #workCalmly(): boolean {
    let didAny = false;
    for (const index of this.#workers.keys()) {
      didAny = this.ask(index, false) || didAny;
      didAny = this.act(index, 0, 0) || didAny;
    }
    if (this.forge.ask(0)) didAny = this.forge.post(0, 0) || didAny;
    for (const index of this.#publishers.keys()) {
      didAny = this.askPublish(index, false) || didAny;
      didAny = this.publish(index, 0, 0) || didAny;
    }
    return didAny;
  }

  #beatAll(): void {
    for (const index of this.#workers.keys()) this.beat(index);
    for (const index of this.#publishers.keys()) this.beatPublish(index);
  }

  #newToken(): string {
    this.#tokens += 1;
    return `t${this.#tokens}`;
  }
}

const PUBLISH_ENDS = [
  "live",
  "live",
  "live",
  "live",
  "live",
  "failed",
  "infra-fault",
  "worker-lost",
  "handed-back",
] as const;
const IDLE_ROUNDS = 10;
const ROUNDS_MAX = 2_000;
/** The longest pause of a job, and an hour that a clock was set back, are over after a few of them. */
const IDLE_MS = 15 * 60_000;
const DAYS = 4;

function worker(name: string, arch: string): Worker {
  return { name, arch, held: undefined, disk: undefined, isAlive: true };
}

/** The one that a drawn number means. */
function at<T>(list: readonly T[], index: number): T {
  const one = list[index % list.length];
  if (one === undefined) throw new Error("Nothing to choose from.");
  return one;
}
