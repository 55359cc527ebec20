import type { Lease } from "../records/kept.ts";
import { JobWords, type Answer, type HeldJob } from "./job-words.ts";
import type { Network } from "./network.ts";
import { oneOf } from "./one-of.ts";
import type { Promises } from "./promises.ts";
import type { Server } from "./server.ts";

interface BuildWorker {
  readonly name: string;
  readonly arch: string;
  held: HeldJob | undefined;
  /** On its disk: what a start after a crash finds. */
  disk: (Lease & { stepsBefore: number }) | undefined;
  isAlive: boolean;
}

/** Build workers, who crash and come back. */
export class BuildWorkers {
  crashes = 0;
  readonly #all: readonly BuildWorker[] = [
    worker("w0", "x86_64"),
    worker("w1", "x86_64"),
    worker("w2", "aarch64"),
  ];
  readonly #server: Server;
  readonly #promises: Promises;
  readonly #network: Network;
  readonly #words: JobWords;

  constructor(server: Server, promises: Promises, network: Network) {
    this.#server = server;
    this.#promises = promises;
    this.#network = network;
    this.#words = new JobWords(server.records, promises);
  }

  get indexes(): Iterable<number> {
    return this.#all.keys();
  }

  /** An idle worker asks for work; the answer may be lost on its way. */
  ask(which: number, isAnswerLost: boolean): boolean {
    const one = this.#oneThat(({ held }) => held === undefined, which);
    if (!this.#server.isUp || !one.isAlive || one.held !== undefined) return false;
    const { jobs } = this.#server.records;
    const [job] = jobs.claimable(one.arch, this.#words.archOf);
    if (job === undefined) return false;
    const lease = { id: job.id, token: this.#server.newToken() };
    if (jobs.claim(job, one.name, one.arch, lease.token) === undefined) return false;
    this.#promises.granted(lease);
    if (isAnswerLost) return true;
    one.held = { ...lease, word: job.isPlanned ? 1 : 0, isCancelled: false };
    one.disk = { ...lease, stepsBefore: 0 };
    return true;
  }

  /** A worker says the next thing about its job: its plan, a step, or how it ended. */
  act(which: number, how: number, way: number): boolean {
    const one = this.#oneThat(({ held }) => held !== undefined, which);
    const { held } = one;
    if (held === undefined || !one.isAlive) return false;
    this.#network.send(way, {
      say: () => this.#words.say(held, how),
      hear: (answer) => {
        if (one.held === held) hear(one, held, answer);
      },
    });
    return true;
  }

  /** One of those that it can happen to; of all, if there is none. */
  #oneThat(suits: (one: BuildWorker) => boolean, which: number): BuildWorker {
    const some = this.#all.filter((one) => one.isAlive && suits(one));
    return oneOf(some.length === 0 ? this.#all : some, which);
  }

  beat(which: number): void {
    const one = oneOf(this.#all, which);
    const { held } = one;
    if (!this.#server.isUp || held === undefined || !one.isAlive) return;
    const answer = this.#promises.fenced(held, () => this.#server.records.jobs.renew(held));
    if (answer === "cancel") held.isCancelled = true;
    if (answer === "stale") letGo(one);
  }

  crash(which: number): void {
    this.crashes += 1;
    const one = oneOf(this.#all, which);
    one.held = undefined;
    one.isAlive = false;
  }

  /** A planned restart: it says goodbye, and is gone. */
  goodbye(which: number): void {
    const one = oneOf(this.#all, which);
    const { held } = one;
    if (held !== undefined && this.#server.isUp && one.isAlive) {
      this.#promises.fenced(held, () => this.#server.records.jobs.goodbye(held));
      this.#promises.forgiven(held.id);
    }
    this.crash(which);
  }

  restart(which: number): void {
    this.crash(which);
    this.comeBack(which);
  }

  comeBack(which: number): void {
    const one = oneOf(this.#all, which);
    if (one.isAlive || !this.#server.isUp) return;
    one.isAlive = true;
    if (one.disk !== undefined) this.#resume(one, one.disk);
  }

  /** It goes on with what it finds on its disk, if that is still its own. */
  #resume(one: BuildWorker, disk: NonNullable<BuildWorker["disk"]>): void {
    const { lives, jobs } = this.#server.records;
    const token = this.#server.newToken();
    const job = lives.job(disk.id);
    const stepsEnded = lives.steps.endedCount(job);
    const answer = this.#promises.fenced(disk, () => jobs.comeBack(disk, token, disk.stepsBefore));
    if (answer === "gone") {
      one.disk = undefined;
      return;
    }
    const lease = { id: disk.id, token };
    this.#promises.renamed(lease);
    const cost = lives.job(disk.id).countedAttempts - job.countedAttempts;
    const crash = stepsEnded > disk.stepsBefore ? "crash after progress" : "crash";
    this.#promises.cameBack(disk.id, job.goodbyeAt === null ? crash : "planned", cost);
    one.disk = { ...lease, stepsBefore: stepsEnded };
    one.held = { ...lease, word: job.isPlanned ? 1 : 0, isCancelled: false };
  }
}

function hear(one: BuildWorker, held: HeldJob, answer: Answer): void {
  held.word += 1;
  if (answer === "over") letGo(one);
}

function letGo(one: BuildWorker): void {
  one.held = undefined;
  one.disk = undefined;
}

function worker(name: string, arch: string): BuildWorker {
  return { name, arch, held: undefined, disk: undefined, isAlive: true };
}
