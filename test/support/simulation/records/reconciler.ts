import { isFinal } from "../../../../src/domain/states.ts";
import type { Jobs } from "./jobs.ts";
import type { Build } from "./kept.ts";
import type { Lives } from "./lives.ts";
import type { Publishes } from "./publishes.ts";

const WAIT_MS = 24 * 3_600_000;

/** What the server does by itself, because time has passed or because it was away. */
export class Reconciler {
  readonly #lives: Lives;
  readonly #jobs: Jobs;
  readonly #publishes: Publishes;

  constructor(lives: Lives, jobs: Jobs, publishes: Publishes) {
    this.#lives = lives;
    this.#jobs = jobs;
    this.#publishes = publishes;
  }

  /** Takes back what was granted to those who were not heard of in time. */
  expire(): void {
    const { rules, now } = this.#lives;
    for (const build of this.#openBuilds()) {
      for (const { id } of build.life.jobs) {
        const job = this.#lives.job(id);
        if (rules.isLeaseOver(job, now)) this.#jobs.lose(job, rules.lossOfLease(job));
      }
      for (const { id } of build.life.publishes) {
        const publish = this.#lives.publish(id);
        if (rules.isLeaseOver(publish, now)) this.#publishes.lose(publish, "worker-lost");
      }
    }
  }

  /** Gives up what nobody took for too long. */
  expireQueued(): void {
    const lives = this.#lives;
    const { rules } = lives;
    const times = { now: lives.now, waitMs: WAIT_MS };
    for (const build of this.#openBuilds()) {
      for (const { id } of build.life.jobs) {
        lives.carryOut(build, rules.giveUpWaiting(build.life, lives.job(id), times));
      }
      for (const { id } of build.life.publishes) {
        const publish = lives.publish(id);
        lives.carryOut(build, rules.giveUpWaitingPublish(build.life, publish, times));
      }
    }
  }

  *#openBuilds(): Iterable<Build> {
    for (const build of this.#lives.builds) {
      if (!isFinal(build.life.build.state)) yield build;
    }
  }

  /** Nobody pays for an absence of the server, or for a clock that was set. */
  restartLeaseClocks(): void {
    const { builds, rules, now } = this.#lives;
    for (const build of builds) {
      for (const { id, state, goodbyeAt } of build.life.jobs) {
        if (state !== "running") continue;
        this.#lives.setJob(build, id, { leaseExpiresAt: rules.leaseUntil(goodbyeAt, now) });
      }
      for (const { id, state } of build.life.publishes) {
        if (state !== "running") continue;
        this.#lives.setPublish(build, id, { leaseExpiresAt: rules.leaseUntil(null, now) });
      }
    }
  }
}
