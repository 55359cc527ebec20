import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { failureCard } from "../../../src/domain/failure-card.ts";
import type { CardFault, FailureCard } from "../../../src/domain/failure-card.ts";
import type { FaultCode } from "../../../src/domain/faults.ts";
import { failureCard as failureCardMessage } from "../../../src/shared/message-parts.ts";
import { repeated } from "../../support/hostile-logs.ts";

/** Logs of real failures, captured by `capture.sh` there; what their cards should say. */
const FOLDER = new URL("../../fixtures/failing-logs/", import.meta.url);

interface Expected {
  readonly title?: string;
  readonly file?: string | null;
  readonly line?: number | null;
  /** The log ends with something that no tool of ours said: a guess is allowed, certainty is not. */
  readonly noHighConfidence?: boolean;
}

const CASES = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => caseOf(name))
  .toSorted((a, b) => a.name.localeCompare(b.name));
const FAILURES = CASES.filter(({ expected }) => !expected.noHighConfidence);
const NOISE = CASES.filter(({ expected }) => expected.noHighConfidence);

function caseOf(name: string) {
  const read = (file: string) => readFileSync(new URL(`${name}/${file}`, FOLDER), "utf8");
  const origin = originOf(read("origin"));
  const expected = JSON.parse(read("expected.json")) as Expected;
  const text = read("log");
  return { name, origin, expected, text, card: cardOf(text, origin) };
}

function originOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split("\n").map((line) => [line.split(":", 1)[0] ?? "", line.replace(/^[^:]*: ?/, "")]),
  );
}

function cardOf(text: string, origin: ReadonlyMap<string, string>): FailureCard {
  const files = (origin.get("files") ?? "").split(" ");
  const tree = { has: (path: string) => files.includes(path), files: () => files };
  const log = { text, firstLineNumber: 1 };
  return failureCard({ step: "unit", fault: faultOf(origin), log, tree });
}

/** What the step itself knew: the exit status, and for an image the failed instruction. */
function faultOf(origin: ReadonlyMap<string, string>): CardFault {
  const exitCode = Number(origin.get("exit"));
  const [code = "", ...words] = (origin.get("fault") ?? "").split(" ");
  if (code === "") return { code: "STEP_FAILED", message: `unit exited ${exitCode}`, exitCode };
  const message = words.join(" ");
  const line = /^\.\/(Dockerfile):(\d+)/.exec(message);
  const place = line ? { file: line[1] ?? null, line: Number(line[2]) } : {};
  return { code: code as FaultCode, message, exitCode, ...place };
}

function isRight({ expected, card }: (typeof CASES)[number]): boolean {
  const title = card.title.replace(/^unit > /, "");
  return title === expected.title && card.file === expected.file && card.line === expected.line;
}

describe("real failing logs", () => {
  test.each(FAILURES.map((one) => [one.name, one] as const))("%s", (_, { expected, card }) => {
    expect(failureCardMessage.parse(card)).toEqual(card);
    expect({
      title: card.title.replace(/^unit > /, ""),
      file: card.file,
      line: card.line,
    }).toEqual(expected);
    expect(card.excerpt.split("\n").length).toBeLessThanOrEqual(20);
  });

  test.each(NOISE.map((one) => [one.name, one] as const))(
    "%s leaves room for doubt",
    (_, { card }) => {
      expect(card.confidence).not.toBe("high");
    },
  );

  test("are many, and cards that are sure of themselves are right", ({ annotate }) => {
    const right = FAILURES.filter(isRight);
    const sure = CASES.filter(
      ({ card, origin }) => card.confidence === "high" && !origin.has("fault"),
    );
    const surelyRight = sure.filter(isRight);

    void annotate(
      `right title, file and line: ${right.length} of ${FAILURES.length}; ` +
        `of those with high confidence ${surelyRight.length} of ${sure.length}; ` +
        `no false certainty in ${NOISE.length} others`,
    );
    expect(FAILURES.length).toBeGreaterThanOrEqual(60);
    expect(NOISE.length).toBeGreaterThanOrEqual(10);
    expect(surelyRight).toHaveLength(sure.length);
  });

  test.each(CASES.map((one) => [one.name, one] as const))(
    "%s, repeated over a long log, is still one card that the server takes",
    (_, { text, origin }) => {
      const card = cardOf(repeated(text), origin);

      expect(failureCardMessage.parse(card)).toEqual(card);
      expect(card.excerpt.split("\n").length).toBeLessThanOrEqual(20);
    },
  );
});
