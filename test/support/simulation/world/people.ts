import { isFinal } from "../../../../src/domain/states.ts";
import type { Build } from "../records/kept.ts";
import type { Promises } from "./promises.ts";
import type { Server } from "./server.ts";

/** Those who push, and who press buttons. */
export class People {
  readonly #server: Server;
  readonly #promises: Promises;
  #deliveries = 0;

  constructor(server: Server, promises: Promises) {
    this.#server = server;
    this.#promises = promises;
  }

  /** A push of one of a few tuples; the delivery is new, or one that was sent before. */
  push(tuple: number, again: number): void {
    if (!this.#server.isUp) return;
    const { lives, builds } = this.#server.records;
    const isNew = again % 3 > 0 || this.#deliveries === 0;
    if (isNew) this.#deliveries += 1;
    const id = isNew ? `d${this.#deliveries}` : `d${1 + (again % this.#deliveries)}`;
    const known = lives.deliveries.find((delivery) => delivery.id === id);
    const key = known?.build.pushKey ?? `push ${tuple % 4}`;
    this.#promises.pushed(id, key, () => builds.recordPush(id, key, `sha ${key}`));
  }

  cancel(which: number): void {
    const build = this.#pick(which);
    if (build === undefined) return;
    this.#promises.cancelled(build, this.#server.records.builds.cancel(build, "dev1"));
  }

  rerun(which: number): void {
    const build = this.#pick(which);
    if (build !== undefined) this.#server.records.builds.rerun(build);
  }

  supersede(which: number): void {
    const { lives, builds } = this.#server.records;
    const older = this.#pick(which);
    const newer = lives.builds.at(-1);
    if (older !== undefined && newer !== undefined && older !== newer) {
      builds.supersede(older, newer);
    }
  }

  /** Mostly one that is under way; none while the server is away. */
  #pick(which: number): Build | undefined {
    if (!this.#server.isUp) return undefined;
    const { builds } = this.#server.records.lives;
    const open = builds.filter(({ life }) => !isFinal(life.build.state));
    const some = which % 4 > 0 && open.length > 0 ? open : builds;
    return some[which % Math.max(1, some.length)];
  }
}
