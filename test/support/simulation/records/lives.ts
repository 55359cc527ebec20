import {
  after,
  type JobRecord,
  type PublishRecord,
  type Verdict,
  type Write,
} from "../../../../src/domain/life/records.ts";
import type { Rules } from "../rules.ts";
import { aJob, aPublish, type Build, type Delivery } from "./kept.ts";
import { illegalMove } from "./legal.ts";
import { Outbox } from "./outbox.ts";
import { Steps } from "./steps.ts";

/** All that is kept, the clock that it is written by, and how a verdict of the rules is carried out. */
export class Lives {
  readonly rules: Rules;
  now = 1_000_000_000;
  readonly builds: Build[] = [];
  readonly deliveries: Delivery[] = [];
  readonly steps = new Steps();
  readonly outbox: Outbox;
  /** Ids of publishes, in the order in which pointers moved for them. */
  readonly generations: string[] = [];
  /** Moves that are in no table, and decisions about records that were otherwise. */
  readonly illegal: string[] = [];
  readonly #byJob = new Map<string, Build>();
  readonly #byPublish = new Map<string, Build>();
  #ids = 0;

  constructor(rules: Rules) {
    this.rules = rules;
    this.outbox = new Outbox(rules);
  }

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

  insertBuild(build: Build): void {
    this.builds.push(build);
    this.#index(build);
    this.outbox.want(build, build.life.build.state, this.now);
  }

  /** A job with an id of its own, that is in no build yet. */
  newJob(buildId: string, facts: Partial<JobRecord> = {}): JobRecord {
    return aJob({ id: this.newId("j"), buildId, queuedAt: this.now, ...facts });
  }

  newId(prefix: string): string {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }

  /** Writes what was decided, and starts the publish that it asks for. */
  carryOut(build: Build, verdict: Verdict): void {
    this.write(build, verdict.writes);
    if (verdict.next === "nothing") return;
    const isPublishing = verdict.next === "stage" || (build.publishes && build.life.hasPackages);
    if (isPublishing) this.#insertPublish(build, verdict.next === "stage" ? "stage" : "final");
    if (verdict.next === "stage") return;
    this.write(build, this.rules.afterRelease(build.life, isPublishing, this.now).writes);
  }

  #insertPublish(build: Build, purpose: "stage" | "final"): void {
    const { life } = build;
    const id = this.newId("p");
    const buildId = life.build.id;
    const publish = aPublish({ id, buildId, purpose, queuedAt: this.now });
    build.life = { ...life, publishes: [...life.publishes, publish] };
    this.#byPublish.set(id, build);
  }

  write(build: Build, writes: readonly Write[]): void {
    for (const write of writes) {
      this.illegal.push(...illegalMove(build.life, write));
      build.life = after(build.life, [write]);
      if (write.on === "build") this.outbox.want(build, write.move.to, this.now);
      if (write.on === "open-steps") this.steps.endOpen(write);
    }
  }

  setJob(build: Build, id: string, set: Partial<JobRecord>): void {
    const jobs = build.life.jobs.map((job) => (job.id === id ? { ...job, ...set } : job));
    build.life = { ...build.life, jobs };
  }

  setPublish(build: Build, id: string, set: Partial<PublishRecord>): void {
    const { publishes } = build.life;
    const changed = publishes.map((one) => (one.id === id ? { ...one, ...set } : one));
    build.life = { ...build.life, publishes: changed };
  }

  replaceJobs(build: Build, jobs: readonly JobRecord[]): void {
    build.life = { ...build.life, jobs };
    this.#index(build);
  }

  #index(build: Build): void {
    for (const { id } of build.life.jobs) this.#byJob.set(id, build);
  }
}

function found<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error("The simulation names what is not there.");
  return thing;
}
