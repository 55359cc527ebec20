import { expect, test } from "vitest";
import { addsUsers, hasCaret } from "../../../../src/domain/rpm-abilities.ts";
import { distributionOf } from "../../../../workers/build/package/builder.ts";
import { explainFailure, warningsIn } from "../../../../workers/build/package/explain.ts";

test.each([
  ['ID="rocky"\nVERSION_ID="9.4"\n', "el9"],
  ['NAME=x\nID="almalinux"\nVERSION_ID="10.0"\n', "el10"],
  ["ID=fedora\nVERSION_ID=43\n", "fedora-43"],
  ["ID=debian\nVERSION_ID='12'\n", "debian12"],
  ["ID=opensuse-leap\nVERSION_ID=15.6\n", null],
  ["ID=debian\n", null],
])("os-release %j is %s", (text, distribution) => {
  expect(distributionOf(text)).toBe(distribution);
});

test.each([
  ["el7.x86_64", false, false],
  ["el8.aarch64", false, false],
  ["el9.x86_64", true, false],
  ["el10.x86_64", true, true],
  ["fedora-43.x86_64", true, true],
  ["debian12.x86_64", true, false],
])("%s: caret %s, users %s", (target, caret, users) => {
  expect([hasCaret(target), addsUsers(target)]).toEqual([caret, users]);
});

const FAILED = {
  code: "STEP_FAILED",
  message: "package exited 69",
  hint: null,
  file: null,
  line: null,
  exitCode: 69,
} as const;

test("a verdict of rpmlint names the first error and counts the others", () => {
  const log = "hello.x86_64: W: no-url\nhello.x86_64: E: no-ldconfig\nhello.x86_64: E: b\n";

  expect(explainFailure(FAILED, "hello.spec", log)).toMatchObject({
    code: "RPM_LINT",
    message: "2 errors, first: hello.x86_64: E: no-ldconfig",
  });
  expect(explainFailure(FAILED, "hello.spec", "nothing").message).toContain(
    "is not in the builder",
  );
});

test("warnings are those that say so", () => {
  expect(warningsIn("tatara: warning: a\nwarning: b\ntatara: c\n")).toEqual(["a"]);
});
