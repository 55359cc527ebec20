import { describe, expect, expectTypeOf, test } from "vitest";
import {
  cardPlace,
  failureCard,
  firstSentence,
  pipelineFileCard,
  withOtherSteps,
} from "../../../src/domain/failure-card.ts";
import type { CardFault, FailureCard } from "../../../src/domain/failure-card.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { ReportedTest } from "../../../src/domain/test-failure.ts";
import { failureCard as failureCardMessage } from "../../../src/shared/message-parts.ts";
import type { FailureCard as FailureCardMessage } from "../../../src/shared/message-parts.ts";
import { EXITED, TREE, cardOf, treeOf } from "../../support/log-card.ts";

test("the card is what the protocol carries", () => {
  expectTypeOf<FailureCard>().toExtend<FailureCardMessage>();
  expectTypeOf<FailureCardMessage>().toExtend<FailureCard>();
  expectTypeOf<StepFailure>().toExtend<CardFault>();
});

test("a step of a matrix is called by its title, and found by its id", () => {
  const facts = { step: "unit-22", stepTitle: "unit (node 22)" };
  const message = "unit-22 took longer than 5 minutes";
  const late = failureCard({ ...facts, fault: { code: "STEP_TIMEOUT", message } });
  const log = { text: "not ok 1 - greets\n", firstLineNumber: 1 };
  const red = failureCard({ ...facts, fault: EXITED, log, tree: TREE });

  expect(late).toMatchObject({
    step: "unit-22",
    title: "unit (node 22) took longer than 5 minutes",
  });
  expect(red).toMatchObject({ step: "unit-22", title: "unit (node 22) > greets" });
});

test("other steps that failed are named before what else failed in the first", () => {
  const cards = ["unit (node 20)", "unit (node 22)"].map((stepTitle) => {
    const log = { text: "not ok 1 - greets\n", firstLineNumber: 1 };
    return failureCard({ step: "unit", stepTitle, fault: EXITED, log, tree: TREE });
  });
  const [first, other] = cards;
  if (first === undefined || other === undefined) throw new Error("There are two cards.");
  const also = Array.from({ length: 20 }, (_, at) => ({ title: `test ${at}`, logLine: at }));

  const card = withOtherSteps({ ...first, also }, [other]);

  expect(card.title).toBe("unit (node 20) > greets");
  expect(card.also).toHaveLength(20);
  expect(card.also?.[0]).toEqual({ title: "unit (node 22) > greets", logLine: null });
});

describe("evidence", () => {
  test("a place whose file is not in the commit is none", () => {
    const card = cardOf(
      "not ok 1 - greets\ntest/greet.test.js:41:1\nnode_modules/x/y.js:7:1\n/usr/include/stdio.h:9\n",
    );

    expect(cardPlace(card)).toBe("test/greet.test.js:41");
  });

  test("the last place counts, and of two on a line the second", () => {
    expect(cardPlace(cardOf("src/greet.js:1\nsrc/greet.js:2 test/greet.test.js:3\n"))).toBe(
      "test/greet.test.js:3",
    );
  });

  test("a name of a file alone does not outweigh a path", () => {
    expect(cardPlace(cardOf("src/greet.js:1: no\n  greet_test.go:9: no\n"))).toBe("src/greet.js:1");
  });

  test("a name that two files have says nothing", () => {
    const tree = treeOf("a/main.go", "b/main.go");

    expect(cardOf("main.go:3: no\n", tree)).toMatchObject({ evidence: "last-lines", file: null });
  });

  test("is surer when title and place stand together", () => {
    const between = (lines: number): string =>
      `not ok 1 - greets\n${"#\n".repeat(lines)}src/greet.js:3\n`;

    expect(cardOf(between(9)).confidence).toBe("high");
    expect(cardOf(between(10)).confidence).toBe("medium");
    expect(cardOf("src/greet.js:3\n").confidence).toBe("medium");
    expect(cardOf(between(1_000))).toMatchObject({ title: "unit exited 1", confidence: "medium" });
  });

  test("a failed test without a place still gives the title", () => {
    expect(cardOf("ok 1 - a\nnot ok 2 - greets nobody\nok 3 - c\n")).toMatchObject({
      title: "unit > greets nobody",
      file: null,
      line: null,
      logLine: 2,
      confidence: "low",
      evidence: "log",
    });
  });

  test("without either the last 20 lines are shown", () => {
    const log = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`).join("\n");
    const card = cardOf(`${log}\n\n\n`);

    expect(card).toMatchObject({
      title: "unit exited 1",
      confidence: "low",
      evidence: "last-lines",
      logLine: 30,
    });
    expect(card.excerpt.split("\n")).toHaveLength(20);
    expect(card.excerpt).toMatch(/^line 11\n[^]*line 30$/);
  });

  test("a silent command leaves a card without an excerpt", () => {
    expect(cardOf("")).toMatchObject({ title: "unit exited 1", excerpt: "", logLine: null });
  });

  test("a coded fault needs no log, but shows its end", () => {
    const fault = {
      code: "OUT_OF_MEMORY",
      message: "unit used its 4g",
      hint: "use less",
      exitCode: 137,
    } as const;
    const log = { text: "not ok 1 - x\nsrc/greet.js:3\nKilled\n", firstLineNumber: 1 };

    expect(failureCard({ step: "unit", fault, log, tree: TREE })).toMatchObject({
      title: "unit used its 4g",
      hint: "use less",
      evidence: "fault",
      confidence: "high",
      file: null,
      logLine: 3,
      excerpt: "not ok 1 - x\nsrc/greet.js:3\nKilled",
    });
  });

  test("a fault that knows its file does not look for another", () => {
    const fault = {
      code: "IMAGE_BUILD_FAILED",
      message: "./Dockerfile:12 `RUN make` exited 2",
      file: "Dockerfile",
      line: 12,
    } as const;
    const log = { text: "src/hello.c:3:1: error: no\n", firstLineNumber: 1 };

    const card = failureCard({ step: "image", fault, log, tree: TREE });

    expect(cardPlace(card)).toBe("Dockerfile:12");
    expect(card.evidence).toBe("fault");
  });

  test("rpmbuild's failure is looked for in its log, and else keeps its own words", () => {
    const fault = { code: "RPM_BUILD_FAILED", message: "rpmbuild exited 1", exitCode: 1 } as const;
    const card = (text: string): FailureCard =>
      failureCard({ step: "package", fault, log: { text, firstLineNumber: 1 }, tree: TREE });

    expect(card("src/hello.c:3:1: error: no\n")).toMatchObject({
      title: "package > error: no",
      line: 3,
    });
    expect(card("error: Bad exit status\n")).toMatchObject({
      title: "rpmbuild exited 1",
      evidence: "last-lines",
    });
  });
});

describe("a failed test in a report", () => {
  const aTest = (facts: Partial<ReportedTest>): ReportedTest => ({
    suite: "greet",
    className: "",
    name: "greets an empty name",
    state: "failed",
    message: "expected this, got that",
    details: "",
    file: "test/greet.test.js",
    line: 41,
    ...facts,
  });
  const cardWith = (tests: readonly ReportedTest[], text = ""): FailureCard => {
    const log = { text, firstLineNumber: 1 };
    const card = failureCard({ step: "unit", fault: EXITED, log, tree: TREE, tests });
    expect(failureCardMessage.parse(card)).toEqual(card);
    return card;
  };

  test("goes before what the log says", () => {
    const tests = [aTest({ name: "a", state: "passed" }), aTest({}), aTest({ name: "greets two" })];
    const card = cardWith(tests, "src/hello.c:3:1: error: no\n✗ greets an empty name\n");

    expect(card).toMatchObject({
      title: "unit > greets an empty name",
      excerpt: "expected this, got that",
      file: "test/greet.test.js",
      line: 41,
      logLine: 2,
      confidence: "high",
      evidence: "report",
      also: [{ title: "greets two", logLine: null }],
    });
  });

  test("whose file is not in the commit has none", () => {
    expect(cardWith([aTest({ file: "node_modules/x/y.js" })])).toMatchObject({
      file: null,
      line: null,
    });
  });

  test("without a place takes it from the log's words on the same test", () => {
    const tests = [aTest({ file: null, line: null })];

    expect(cardPlace(cardWith(tests, "not ok 1 - greets an empty name\nsrc/greet.js:7\n"))).toBe(
      "src/greet.js:7",
    );
    expect(cardPlace(cardWith(tests, "not ok 1 - another\nsrc/greet.js:7\n"))).toBeNull();
  });

  test("is no reason when none failed, nor for a fault that says itself", () => {
    const passed = [aTest({ state: "passed" })];
    const fault = { code: "STEP_TIMEOUT", message: "unit ran longer than 60 min" } as const;

    expect(cardWith(passed, "src/hello.c:3:1: error: no\n").title).toBe("unit > error: no");
    expect(failureCard({ step: "unit", fault, tests: [aTest({})] })).toMatchObject({
      title: "unit ran longer than 60 min",
      evidence: "fault",
    });
  });
});

describe("excerpt and line", () => {
  test("count from the start of the whole log", () => {
    const log = { text: "\nsrc/greet.js:3\n", firstLineNumber: 4_811 };

    expect(failureCard({ step: "unit", fault: EXITED, log, tree: TREE }).logLine).toBe(4_812);
  });

  test("still count when more was passed than is looked at", () => {
    const card = cardOf(`${"x\n".repeat(200_000)}src/greet.js:3\n`);

    expect(card.logLine).toBe(200_001);
  });

  test("start with the failed test and hold the place", () => {
    const card = cardOf(
      `${"before\n".repeat(30)}not ok 1 - greets\n${"why\n".repeat(10)}src/greet.js:3\n${"after\n".repeat(30)}`,
    );

    expect(card.excerpt).toMatch(/^not ok 1 - greets\n[^]*src\/greet\.js:3/);
    expect(card.excerpt.split("\n")).toHaveLength(20);
  });

  test("have no escape codes and no control characters, and progress in its last state", () => {
    const card = cardOf(
      "\u001b]0;title\u0007\u001b[1;31mno\u001b[0m\u0008\r\n10%\r 50%\r100%\nend\u001b[3",
    );

    expect(card.excerpt).toBe("no\n100%\nend3");
  });

  test("cut lines without end", () => {
    const card = cardOf(`${"x".repeat(100_000)}\n`.repeat(2));

    expect(card.excerpt.length).toBeLessThan(2_000);
  });
});

describe("in one sentence", () => {
  const card = cardOf("not ok 1 - greets\nsrc/greet.js:3\n");

  test("says what failed and where", () => {
    expect(firstSentence(card)).toBe("unit > greets (src/greet.js:3)");
  });

  test("does not say the place twice", () => {
    const fault = {
      code: "IMAGE_BUILD_FAILED",
      message: "Dockerfile:12 `RUN make` exited 2",
      file: "Dockerfile",
      line: 12,
    } as const;

    expect(firstSentence(failureCard({ step: "image", fault }))).toBe(
      "Dockerfile:12 `RUN make` exited 2",
    );
  });

  test("says when it is not the user's fault", () => {
    const fault = { code: "ENGINE_UNAVAILABLE", message: "Docker does not answer" } as const;

    expect(firstSentence(failureCard({ step: null, fault }))).toBe(
      "Docker does not answer (not your fault)",
    );
  });
});

test("a refused pipeline file shows its first mistake, and carries them all", () => {
  const problem = {
    code: "KEY_UNKNOWN",
    line: 2,
    column: 1,
    length: 5,
    message: 'unknown key "tests"',
    hint: 'did you mean "test"?',
    isWarning: false,
  } as const;

  const card = pipelineFileCard({
    step: "checkout",
    file: ".tatara.yml",
    problems: [problem, problem],
    report: "all of them",
  });

  expect(failureCardMessage.parse(card)).toEqual({
    kind: "file",
    code: "PIPELINE_FILE_INVALID",
    step: "checkout",
    title: '.tatara.yml:2:1 unknown key "tests", and 1 more problem',
    excerpt: "",
    file: ".tatara.yml",
    line: 2,
    logLine: null,
    hint: 'did you mean "test"?',
    confidence: "high",
    evidence: "fault",
    problems: "all of them",
  });
  expect(firstSentence(card)).toBe('.tatara.yml:2:1 unknown key "tests", and 1 more problem');
});
