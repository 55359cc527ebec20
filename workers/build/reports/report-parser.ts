import type { TestResult } from "../../../src/shared/build-messages.ts";

/** Reads one report as it arrives. Never throws: what is wrong with it is told as a problem. */
export interface ReportParser {
  write(text: string): void;
  end(): void;
}

/** Where a parser puts what it finds. */
export interface ReportSink {
  /** False: nothing more is taken, the parser may stop. */
  test(test: TestResult): boolean;
  coverage(covered: number, total: number): void;
  problem(text: string): void;
}

const SUITE_MAX = 500;
const NAME_MAX = 1_000;
const MESSAGE_MAX = 4_000;
const DETAILS_MAX = 16_000;
const DETAILS_TAIL = 4_000;

/** The sizes that the protocol lets through; of long details the beginning and the end stay. */
export function fittingTest(test: TestResult): TestResult {
  return {
    ...test,
    suite: test.suite.slice(0, SUITE_MAX),
    className: test.className.slice(0, SUITE_MAX),
    name: (test.name || test.className || test.suite || "(no name)").slice(0, NAME_MAX),
    message: test.message.slice(0, MESSAGE_MAX),
    details: withoutMiddle(test.details, DETAILS_MAX),
    file: test.file?.slice(0, NAME_MAX) ?? null,
  };
}

export function withoutMiddle(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const head = charactersMax - DETAILS_TAIL - 7;
  return `${text.slice(0, head)}\n[…]\n${text.slice(-DETAILS_TAIL)}`;
}

/** `0.016`, `1,234.5` (surefire), `0,5`; null when it is no time. */
export function millisecondsOf(seconds: string | undefined): number | null {
  if (seconds === undefined || seconds.length > 40) return null;
  const plain =
    /,\d{3}(?:\D|$)/.test(seconds) && seconds.includes(".")
      ? seconds.replaceAll(",", "")
      : seconds.replace(",", ".");
  const value = plain.trim() === "" ? Number.NaN : Number(plain);
  return Number.isFinite(value) && value >= 0 && value < 1e9 ? Math.round(value * 1e6) / 1e3 : null;
}

const HEAD_MAX = 32_000;
const TAIL_MAX = 16_000;

/** Text that grows piece by piece: its beginning and its end stay, at the cost of each piece once. */
export class GrowingText {
  #head = "";
  #tail = "";

  add(piece: string): void {
    const room = HEAD_MAX - this.#head.length;
    if (room > 0) this.#head += piece.slice(0, room);
    if (piece.length <= room) return;
    this.#tail += piece.slice(Math.max(room, 0));
    // Cut seldom, so that many small pieces do not each copy the whole.
    if (this.#tail.length > 4 * TAIL_MAX) this.#tail = `\n[…]\n${this.#tail.slice(-TAIL_MAX)}`;
  }

  toString(): string {
    return this.#head + this.#tail;
  }
}
