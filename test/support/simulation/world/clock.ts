import type { Forge } from "./forge.ts";
import type { Server } from "./server.ts";

export const HOUR_MS = 3_600_000;

/** The clock of the server's machine. */
export class Clock {
  jumps = 0;
  readonly #server: Server;
  readonly #forge: Forge;
  /** How far it is from the true time. */
  #offsetMs = 0;

  constructor(server: Server, forge: Forge) {
    this.#server = server;
    this.#forge = forge;
  }

  /** Time passes while all that is alive looks at its clock each second. */
  wait(ms: number): void {
    const { lives, reconciler } = this.#server.records;
    lives.now += ms;
    this.#forge.passed(ms);
    if (this.#server.isUp) reconciler.expire();
  }

  /** Somebody sets the clock: the reconciler sees it, and nobody is blamed. */
  jump(wish: number): void {
    const { lives, reconciler } = this.#server.records;
    this.jumps += 1;
    // An hour ahead, an hour behind, or right again.
    const offsetMs = ((wish % 3) - 1) * HOUR_MS;
    // A post that is on its way for longer than its doubt is beyond what is promised.
    this.#forge.passed(HOUR_MS);
    lives.now += offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (this.#server.isUp) reconciler.restartLeaseClocks();
  }
}
