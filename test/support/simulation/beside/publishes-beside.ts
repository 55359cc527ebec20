import { ourCard } from "../../../../src/server/store/job-rows.ts";
import { faultPublish, handBackPublish } from "../../../../src/server/store/publish-attempts.ts";
import { switchPublishes } from "../../../../src/server/store/publish-switch.ts";
import { claimPublish, failPublish } from "../../../../src/server/store/publishes.ts";
import type { PublishGrant } from "../../../../src/shared/publish-grants.ts";
import { headOf, switchOf } from "../../store-rig.ts";
import { one, type BothSides } from "./both-sides.ts";

interface HeldPublish {
  readonly grant: Extract<PublishGrant, { kind: "build" }>;
  readonly modelId: string;
  readonly token: string;
}

/** What publish workers do, on both sides. */
export class PublishesBeside {
  readonly #both: BothSides;
  readonly #held: HeldPublish[] = [];

  constructor(both: BothSides) {
    this.#both = both;
  }

  async claim(): Promise<void> {
    const { store, model } = this.#both;
    const token = `t${this.#both.nextNumber()}`;
    const { grant } = await store.write((tx) => claimPublish(tx, "p1", token));
    if (grant === undefined) return;
    if (grant.kind !== "build") throw new Error(`Nobody asked for a publish: ${grant.kind}.`);
    const { buildId, purpose } = await store.db
      .selectFrom("publishes")
      .select(["buildId", "purpose"])
      .where("id", "=", grant.publishId)
      .executeTakeFirstOrThrow();
    const { life } = await this.#both.buildOf(one(buildId ?? undefined));
    const publish = one(life.publishes.find((some) => some.purpose === purpose));
    model.publishes.claim(publish, "p1", token);
    this.#held.push({ grant, modelId: publish.id, token });
  }

  async finish(): Promise<void> {
    const { random } = this.#both;
    const held = this.#both.drawOut(this.#held);
    if (held === undefined) return;
    const how = random.weighted({ live: 12, fail: 1, fault: 2, handBack: 1, forget: 1 });
    if (how === "live") await this.#goLive(held);
    if (how === "fail") await this.#fail(held);
    if (how === "fault" || how === "handBack") await this.#lose(held, how);
  }

  async #goLive({ grant, modelId, token }: HeldPublish): Promise<void> {
    const { store, model, made } = this.#both;
    const { publishId } = grant;
    const packages = grant.packages.flatMap(({ sha256 }) => made.get(sha256) ?? []);
    const channel = one(grant.channels[0]).name;
    const base = await headOf(store, channel);
    const request = switchOf({ publishId, token, base, channel, packages });
    const { answer } = await store.write((tx) => switchPublishes(tx, request));
    const told = model.publishes.finish({ id: modelId, token }, "live");
    const isLive = told === "ended" && model.lives.publish(modelId).state === "live";
    this.#both.agree(`switch of ${publishId}`, answer.kind === "live", isLive);
  }

  async #fail({ grant: { publishId: id }, modelId, token }: HeldPublish): Promise<void> {
    const { store, model } = this.#both;
    const failure = ourCard("INTERNAL", "failed", "publish");
    const taken = await store.write((tx) => failPublish(tx, id, token, failure));
    const told = model.publishes.finish({ id: modelId, token }, "failed");
    this.#both.agree(`failure of ${id}`, taken !== undefined, told === "ended");
  }

  async #lose({ grant, modelId, token }: HeldPublish, how: "fault" | "handBack"): Promise<void> {
    const { store, model } = this.#both;
    const id = grant.publishId;
    const fault = { code: "PUBLISH_FAILED" as const, message: "a fault" };
    const taken = await store.write((tx) =>
      how === "fault" ? faultPublish(tx, id, token, fault) : handBackPublish(tx, id, token),
    );
    const kind = how === "fault" ? "infra-fault" : "handed-back";
    const told = model.publishes.fault({ id: modelId, token }, kind);
    this.#both.agree(`${how} of ${id}`, taken !== undefined, told);
  }
}
