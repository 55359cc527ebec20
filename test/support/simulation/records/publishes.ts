import type { PublishEnd, PublishLoss } from "../../../../src/domain/life/publish-ends.ts";
import type { PublishRecord } from "../../../../src/domain/life/records.ts";
import type { Lease } from "./kept.ts";
import type { Lives } from "./lives.ts";

/** What publish workers are granted, and what they say of it. */
export class Publishes {
  readonly #lives: Lives;

  constructor(lives: Lives) {
    this.#lives = lives;
  }

  claimable(): readonly PublishRecord[] {
    const { builds, now } = this.#lives;
    return builds.flatMap(({ life }) =>
      life.publishes.filter(({ state, notBeforeAt }) => state === "queued" && notBeforeAt <= now),
    );
  }

  claim(publish: PublishRecord, worker: string, token: string): void {
    const { rules, now } = this.#lives;
    const claim = { worker, tokenHash: token, now };
    const build = this.#lives.buildOfPublish(publish.id);
    this.#lives.write(build, rules.grantPublish(publish, claim).writes);
  }

  renew(lease: Lease): boolean {
    const publish = this.#held(lease);
    if (publish === undefined) return false;
    const leaseExpiresAt = this.#lives.rules.leaseUntil(null, this.#lives.now);
    const build = this.#lives.buildOfPublish(publish.id);
    this.#lives.setPublish(build, publish.id, { leaseExpiresAt });
    return true;
  }

  /** The one moment that matters: the pointer moves, or the end of another kind is written down. */
  finish(lease: Lease, state: PublishEnd["state"]): "ended" | "stale" {
    const lives = this.#lives;
    const publish = lives.publish(lease.id);
    const standing = lives.rules.standingOf(publish, publish.leaseTokenHash === lease.token);
    if (standing !== "holder") return standing;
    const build = lives.buildOfPublish(publish.id);
    const failureTitle = state === "failed" ? "refused" : null;
    const end = { state, reason: null, text: state, failureTitle };
    lives.carryOut(build, lives.rules.finishPublish(build.life, publish, end, lives.now));
    if (lives.publish(publish.id).state === "live") lives.generations.push(publish.id);
    return "ended";
  }

  fault(lease: Lease, kind: PublishLoss["kind"]): boolean {
    const publish = this.#held(lease);
    if (publish !== undefined) this.lose(publish, kind);
    return publish !== undefined;
  }

  /** This attempt ends without a result. */
  lose(publish: PublishRecord, kind: PublishLoss["kind"]): void {
    const lives = this.#lives;
    const build = lives.buildOfPublish(publish.id);
    const loss = { kind, code: "PUBLISH_FAILED", message: "lost" } as const;
    lives.carryOut(build, lives.rules.losePublish(build.life, publish, loss, lives.now));
  }

  #held({ id, token }: Lease): PublishRecord | undefined {
    const publish = this.#lives.publish(id);
    const standing = this.#lives.rules.standingOf(publish, publish.leaseTokenHash === token);
    return standing === "holder" ? publish : undefined;
  }
}
