import type { PostEnd, StatusRecord } from "../../../../src/domain/life/status.ts";
import type { State } from "../../../../src/domain/states.ts";
import type { Rules } from "../rules.ts";
import type { Build } from "./kept.ts";

/** What each commit is to show, and how far that is done. */
export class Outbox {
  readonly rows = new Map<string, StatusRecord>();
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  want({ sha, number, life }: Build, state: State, now: number): void {
    const current = this.rows.get(sha);
    const wish = { buildId: life.build.id, buildNumber: number, state };
    const next = this.#rules.nextStatus(current, wish, now);
    if (next === undefined) return;
    const { state: _wanted, ...said } = wish;
    this.rows.set(sha, { ...NEVER_SENT, ...current, ...said, ...next });
  }

  /** Commits about which there is something to say, or to look at. */
  due(now: number): readonly string[] {
    return [...this.rows].flatMap(([sha, row]) =>
      this.#rules.isDue(row, now) || this.#rules.isToBeChecked(row, now) ? [sha] : [],
    );
  }

  claim(sha: string, lease: string, now: number): StatusRecord {
    const row = this.row(sha);
    const claimed = { ...row, ...this.#rules.leaseStatus(row, lease, now) };
    this.rows.set(sha, claimed);
    return claimed;
  }

  answer(sha: string, end: PostEnd, now: number): boolean {
    const row = this.row(sha);
    const answered = this.#rules.answerOfPost(row, end, now);
    if (answered !== undefined) this.rows.set(sha, { ...row, ...answered.set });
    return answered !== undefined;
  }

  row(sha: string): StatusRecord {
    const row = this.rows.get(sha);
    if (row === undefined) throw new Error(`Nobody ever said anything of ${sha}.`);
    return row;
  }
}

const NEVER_SENT = {
  sentVersion: 0,
  leaseToken: null,
  leaseUntilAt: 0,
  lastProblem: null,
  doubtUntilAt: 0,
  checkAt: null,
} as const satisfies Partial<StatusRecord>;
