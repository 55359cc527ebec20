import { expect } from "vitest";
import { failureCard } from "../../src/domain/failure-card.ts";
import type { CardFault, FailureCard } from "../../src/domain/failure-card.ts";
import { failureCard as failureCardMessage } from "../../src/shared/message-parts.ts";

export const EXITED: CardFault = {
  code: "STEP_FAILED",
  message: "unit exited 1",
  hint: null,
  exitCode: 1,
};

export function treeOf(...files: readonly string[]) {
  return { has: (path: string) => files.includes(path), files: () => files };
}

export const TREE = treeOf(
  "test/greet.test.js",
  "test/other.test.js",
  "src/greet.js",
  "src/hello.c",
  "t/greet.sh",
  "pkg/greet_test.go",
  "tests/test_greet.py",
  "my tests/a.py",
);

/** The card of the step `unit`, which exited 1 with this log. */
export function cardOf(text: string, tree = TREE): FailureCard {
  const card = failureCard({
    step: "unit",
    fault: EXITED,
    log: { text, firstLineNumber: 1 },
    tree,
  });
  expect(failureCardMessage.parse(card)).toEqual(card);
  return card;
}
