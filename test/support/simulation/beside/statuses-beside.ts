import { answerStatus, claimStatuses } from "../../../../src/server/store/outbox.ts";
import type { ReportAnswer, WantedStatus } from "../../../../src/shared/report-messages.ts";
import { one, type BothSides } from "./both-sides.ts";

const RESULTS: readonly ReportAnswer["result"][] = [
  { kind: "sent" },
  { kind: "later", afterMs: 0, wholeCredential: false, reason: "stopped" },
  { kind: "later", afterMs: 5_000, wholeCredential: false, reason: "broken" },
  { kind: "terminal", reason: "gone" },
];

/** What posters do, on both sides. */
export class StatusesBeside {
  readonly #both: BothSides;
  readonly #held: WantedStatus[] = [];

  constructor(both: BothSides) {
    this.#both = both;
  }

  /** A poster takes what is due, or says what became of what it took. */
  async post(): Promise<void> {
    await (this.#both.random.chance(0.5) ? this.#take() : this.#answer());
  }

  async #take(): Promise<void> {
    const { store, model } = this.#both;
    const { now, outbox } = model.lives;
    const due = new Set(outbox.due(now));
    const claimed = await store.write(claimStatuses);
    for (const { sha } of claimed) this.#both.agree(`status of ${sha} is due`, true, due.has(sha));
    for (const { sha, lease } of claimed) outbox.claim(sha, lease, now);
    this.#held.push(...claimed);
  }

  async #answer(): Promise<void> {
    const { store, model, random } = this.#both;
    const held = this.#both.drawOut(this.#held);
    if (held === undefined) return;
    const { now, outbox } = model.lives;
    const result = random.chance(0.6) ? one(RESULTS[0]) : one(this.#both.drawn(RESULTS));
    const answer = { lease: held.lease, version: held.version, result };
    const taken = await store.write((tx) => answerStatus(tx, held.id, answer));
    this.#both.agree(`answer for ${held.sha}`, taken, outbox.answer(held.sha, answer, now));
  }
}
