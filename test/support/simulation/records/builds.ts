import type { BuildLife } from "../../../../src/domain/life/records.ts";
import { isFinal } from "../../../../src/domain/states.ts";
import type { Rules } from "../rules.ts";
import { aBuild, type Build } from "./kept.ts";
import type { Lives } from "./lives.ts";

/** Of one repo. */
export const WAITING_MAX = 30;

/** How builds come to be, and how people stop them. */
export class Builds {
  readonly #lives: Lives;

  constructor(lives: Lives) {
    this.#lives = lives;
  }

  recordPush(deliveryId: string, pushKey: string, sha: string): Build {
    const { builds, deliveries, rules } = this.#lives;
    const seen = deliveries.find(({ id }) => id === deliveryId);
    const owner = builds.findLast((build) => build.pushKey === pushKey);
    const { kind } = rules.decideDelivery({
      seen: seen?.disposition,
      ownerState: owner?.life.build.state,
      foundState: undefined,
    });
    if (kind === "known" && seen !== undefined) return seen.build;
    if (kind === "same-push" && owner !== undefined) {
      deliveries.push({ id: deliveryId, disposition: "duplicate", build: owner });
      return owner;
    }
    const build = this.#newBuild(sha, pushKey);
    deliveries.push({ id: deliveryId, disposition: "accepted", build });
    return build;
  }

  rerun(old: Build): Build | undefined {
    return isFinal(old.life.build.state) ? this.#newBuild(old.sha, null) : undefined;
  }

  #newBuild(sha: string, pushKey: string | null): Build {
    const { builds, rules } = this.#lives;
    const id = this.#lives.newId("b");
    const waiting = builds.filter(({ life }) => life.build.state === "queued").length;
    const end = rules.overQuota("acme/hello", waiting, WAITING_MAX);
    const life: BuildLife = {
      build: aBuild(id, end?.state ?? "queued"),
      jobs: end === null ? [this.#lives.newJob(id)] : [],
      publishes: [],
      hasPackages: false,
    };
    const build = { number: builds.length + 1, sha, pushKey, publishes: false, life };
    this.#lives.insertBuild(build);
    return build;
  }

  cancel(build: Build, by: string): ReturnType<Rules["cancelBuild"]>["result"] {
    const { rules, now } = this.#lives;
    const { result, writes } = rules.cancelBuild(build.life, by, now);
    this.#lives.write(build, writes);
    return result;
  }

  supersede(older: Build, newer: Build): void {
    if (isFinal(older.life.build.state) || older.life.build.cancelRequestedAt !== null) return;
    const { life } = older;
    older.life = { ...life, build: { ...life.build, supersededByNumber: newer.number } };
    this.cancel(older, `a newer push, #${newer.number}`);
  }
}
