import { describe, expect, test } from "vitest";
import { cardPlace, failureCard } from "../../../src/domain/failure-card.ts";
import { logFiles } from "../../../src/domain/log-files.ts";
import { TREE, cardOf } from "../../support/log-card.ts";

describe("a known tool", () => {
  const ERROR = "src/hello.c:3:1: error: no\n";

  test("is sure only if nothing but consequences follows", () => {
    expect(cardOf(`${ERROR}make: *** [Makefile:3: hello.o] Error 1\n`).confidence).toBe("high");
    expect(cardOf(`${ERROR}going on without it\n`)).toMatchObject({
      title: "unit > error: no",
      confidence: "medium",
    });
  });

  test("that was passed over gives way to a place that the log names later", () => {
    expect(cardPlace(cardOf(`${ERROR}going on\nt/greet.sh:4: no greeting\n`))).toBe("t/greet.sh:4");
  });

  test("blames the first mistake, and lists the others once each", () => {
    const card = cardOf(`${ERROR}src/hello.c:4:1: error: nor this\n${ERROR}`);

    expect(card).toMatchObject({ line: 3, also: [{ title: "error: nor this", logLine: 2 }] });
  });

  test("that knows no place takes one that stands with the failure", () => {
    const log =
      "ok 1 - a\nnot ok 2 - greets\n# tests/test_greet.py:28: expected this\nok 3 - c\n1..3\n";

    expect(cardOf(log)).toMatchObject({
      title: "unit > greets",
      file: "tests/test_greet.py",
      line: 28,
    });
  });

  test("that only repeats a failure leaves the word to what it ran", () => {
    expect(cardOf("not ok 4 - greets\nmake: *** [Makefile:6: check] Error 1\n")).toMatchObject({
      title: "unit > greets",
      file: null,
    });
  });

  test("helps with a failed instruction of a Dockerfile, whose place stays", () => {
    const fault = {
      code: "IMAGE_BUILD_FAILED",
      message: "./Dockerfile:2 `RUN apt-get install x` exited 100",
      file: "Dockerfile",
      line: 2,
    } as const;
    const log = { text: "E: Unable to locate package x\n", firstLineNumber: 1 };

    expect(failureCard({ step: "image", fault, log, tree: TREE })).toMatchObject({
      title: fault.message,
      file: "Dockerfile",
      line: 2,
      evidence: "fault",
      hint: expect.stringContaining("apt-get update") as unknown,
    });
  });
});

test("packages that cannot be verified show why dnf refused them", () => {
  const fault = { code: "VERIFY_FAILED", message: "app cannot be installed on el9" } as const;
  const refused = "  - nothing provides libfrob >= 2 needed by app-1.0-1.noarch\n";
  const log = { text: `Error: \n Problem: conflicting requests\n${refused}`, firstLineNumber: 1 };

  const card = failureCard({ step: "verify", fault, log, tree: TREE });

  expect(card).toMatchObject({ title: fault.message, evidence: "fault", logLine: 3 });
  expect(card.excerpt).toContain("nothing provides libfrob");
  expect(card.hint).toContain("repositories");
});

test("packages whose command failed show that part of the trial, not what dnf installed", () => {
  const noise = Array.from({ length: 30 }, (_, at) => `  Installing : dep-${at}\n`).join("");
  const tried = "tatara: app --version\nno such option\ntatara: error: `app --version` exited 2\n";
  const fault = { code: "VERIFY_FAILED", message: "el9: app does not do it" } as const;
  const cardOfLog = (text: string) =>
    failureCard({ step: "verify", fault, log: { text, firstLineNumber: 1 }, tree: TREE });

  expect(cardOfLog(`tatara: install app\n${noise}\n${tried}`).excerpt).toBe(tried.trim());
  expect(cardOfLog(`tatara: install app\n${noise}`).excerpt.split("\n")).toHaveLength(12);
});

describe("the last group of commands", () => {
  test.each([
    ["as set -x prints it", "+ ls data\none\n+ cmp -s a b\n", "unit > failed at: cmp -s a b"],
    ["as the program marked it", "::group::One\n::endgroup::\n::group::Two\n18\n", "unit > Two"],
  ])("is shown %s", (_, log, title) => {
    expect(cardOf(log)).toMatchObject({ title, confidence: "medium", evidence: "log" });
  });

  test.each([
    "--- a\t2026-11-22\n+++ b\t2026-11-22\n@@ -1 +1 @@\n-x\n+ y\n",
    "::group::A\n::endgroup::\n",
  ])("is not seen in %j", (log) => {
    expect(cardOf(log).evidence).toBe("last-lines");
  });
});

describe("paths in a log", () => {
  test.each([
    ["/workspace/src/greet.js", "src/greet.js"],
    ["../src/greet.js", "src/greet.js"],
    ["/tatara/top/BUILD/hello-1.0/src/hello.c", "src/hello.c"],
    ["greet/greet_test.go", undefined],
    ["/usr/include/hello.c", undefined],
    ["greet.sh", "t/greet.sh"],
  ])("%s", (written, path) => {
    expect(logFiles(TREE).any(written)).toBe(path);
  });
});
