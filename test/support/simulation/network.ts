/** How a message travels. */
const WAYS = ["now", "now", "now", "now", "now", "late", "twice", "answer lost"] as const;

/** What is said to the server, and what is done with its answer. */
export interface Message<Answer> {
  readonly say: () => Answer;
  readonly hear: (answer: Answer) => void;
}

/** What is late arrives in any order, more than once, or never. */
export class Network {
  #late: (() => void)[] = [];

  /** True: it did not go as one would wish. */
  send<Answer>(way: number, { say, hear }: Message<Answer>, isUp: boolean): boolean {
    const how = WAYS[way % WAYS.length] ?? "now";
    const deliver = (): void => hear(say());
    if (how === "late" || !isUp) this.#late.push(deliver);
    else if (how === "answer lost") say();
    else deliver();
    if (how === "twice") this.#late.push(() => void say());
    return how !== "now";
  }

  arrive(which: number, fate: number, isUp: boolean): void {
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
