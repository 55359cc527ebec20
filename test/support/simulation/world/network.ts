import { oneOf } from "./one-of.ts";
import type { Server } from "./server.ts";

/** How a message travels. */
const WAYS = ["now", "now", "now", "now", "now", "late", "twice", "answer lost"] as const;

/** What is said to the server, and what is done with its answer. */
export interface Message<Answer> {
  readonly say: () => Answer;
  readonly hear: (answer: Answer) => void;
}

/** What is late arrives in any order, more than once, or never. */
export class Network {
  /** Messages that did not go as one would wish. */
  faults = 0;
  readonly #server: Server;
  #late: (() => void)[] = [];

  constructor(server: Server) {
    this.#server = server;
  }

  send<Answer>(way: number, { say, hear }: Message<Answer>): void {
    const how = oneOf(WAYS, way);
    const deliver = (): void => hear(say());
    if (how === "late" || !this.#server.isUp) this.#late.push(deliver);
    else if (how === "answer lost") say();
    else deliver();
    if (how === "twice") this.#late.push(() => void say());
    if (how !== "now") this.faults += 1;
  }

  /** What was late arrives, in any order, once more or never. */
  arrive(which: number, fate: number): void {
    const { isUp } = this.#server;
    const index = this.#late.length === 0 ? -1 : which % this.#late.length;
    const deliver = this.#late[index];
    if (deliver === undefined) return;
    // A copy of it may still be under way.
    if (fate % 4 !== 0 || !isUp) this.#late.splice(index, 1);
    if (fate % 4 !== 1 && isUp) deliver();
  }

  deliverAll(): void {
    for (const deliver of this.#late.splice(0)) deliver();
  }

  forget(): void {
    this.#late = [];
  }
}
