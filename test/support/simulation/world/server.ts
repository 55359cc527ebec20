import { Records } from "../records/records.ts";
import type { Rules } from "../rules.ts";

/** A server that is there or not; while it is not, nobody is answered, and nothing is reconciled. */
export class Server {
  readonly records: Records;
  deaths = 0;
  #isUp = true;
  #tokens = 0;

  constructor(rules: Rules) {
    this.records = new Records(rules);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  die(): void {
    if (this.#isUp) this.deaths += 1;
    this.#isUp = false;
  }

  start(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.records.reconciler.restartLeaseClocks();
  }

  newToken(): string {
    this.#tokens += 1;
    return `t${this.#tokens}`;
  }
}
