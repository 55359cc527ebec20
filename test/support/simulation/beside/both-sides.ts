import type { Store } from "../../../../src/server/store/store.ts";
import type { PublishedPackage } from "../../../../src/shared/package-messages.ts";
import type { Random } from "../../../torture/random.ts";
import type { TestStore } from "../../a-store.ts";
import type { Build } from "../records/kept.ts";
import { Records } from "../records/records.ts";
import { RULES } from "../rules.ts";

/** A store and a model of it, what is drawn for them, and whether they answer the same. */
export class BothSides {
  readonly store: Store;
  readonly random: Random;
  readonly model = new Records(RULES);
  /** By their checksum: what jobs made, for the publishes that take it. */
  readonly made = new Map<string, PublishedPackage>();
  readonly #answers: string[] = [];
  #serial = 0;

  constructor({ store }: TestStore, random: Random) {
    this.store = store;
    this.random = random;
    this.synchronize();
  }

  /** The model's clock is the store's. */
  synchronize(): void {
    this.model.lives.now = this.store.now();
  }

  /** Both must have taken what was said, or have refused it. */
  agree(what: string, inStore: boolean, inModel: boolean): void {
    if (inStore !== inModel) this.#answers.push(`${what}: store ${inStore}, model ${inModel}`);
  }

  /** Where they did not agree since this was asked last. */
  takeDisagreements(): readonly string[] {
    return this.#answers.splice(0);
  }

  nextNumber(): number {
    this.#serial += 1;
    return this.#serial;
  }

  drawn<T>(from: readonly T[]): T | undefined {
    return from[this.random.integer(0, Math.max(0, from.length - 1))];
  }

  /** Draws one of them, which is no longer there. */
  drawOut<T>(from: T[]): T | undefined {
    const one = this.drawn(from);
    if (one !== undefined) remove(from, one);
    return one;
  }

  /** The model's build for the store's. */
  async buildOf(id: string): Promise<Build> {
    const { number } = await this.store.db
      .selectFrom("builds")
      .select("number")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return one(this.model.lives.builds[number - 1]);
  }
}

export function remove<T>(from: T[], one: T): void {
  from.splice(from.indexOf(one), 1);
}

export function one<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error("The model has no such thing.");
  return thing;
}
