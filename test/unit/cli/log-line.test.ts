import { expect, test } from "vitest";
import { humanLogLine } from "../../../src/cli/log-line.ts";

const FIELDS = {
  at: "2026-11-21T20:14:03.000Z",
  level: "warn",
  process: "build",
  message: "Image could not be pulled",
  jobId: "j-1",
  err: { name: "Error", message: "no route", stack: "…" },
};

test("a warning is one line for people", () => {
  expect(lineOf(JSON.stringify(FIELDS))).toBe(
    "20:14:03 warn  build    Image could not be pulled  jobId=j-1 err=no route",
  );
});

test("what the queues' library says at each connection is left in the file", () => {
  const line = 'IMPORTANT! Eviction policy is allkeys-lru. It should be "noeviction"';

  expect(lineOf(line)).toBeUndefined();
});

test("what is below the wanted level is left in the file", () => {
  expect(lineOf(JSON.stringify({ ...FIELDS, level: "info" }))).toBeUndefined();
});

test("what a process says in its last moment is shown as it is", () => {
  expect(lineOf("FATAL ERROR: heap out of memory")).toBe(
    "build    FATAL ERROR: heap out of memory",
  );
  expect(lineOf('{"cut by a cra')).toBe('build    {"cut by a cra');
});

function lineOf(line: string): string | undefined {
  return humanLogLine({ process: "build", line }, "warn")
    ?.map((piece) => (typeof piece === "string" ? piece : piece.text))
    .join("");
}
