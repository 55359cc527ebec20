import fc from "fast-check";
import { expect, test } from "vitest";
import { newestState, toPostResult } from "../../src/shared/forges/post-result.ts";

const NOW = Date.parse("2026-11-21T20:00:00Z");
const date = "Sat, 21 Nov 2026 20:00:00 GMT";
const reset = (seconds: number) => String(NOW / 1_000 + seconds);

test.each([
  [201, {}, { kind: "sent" }],
  [200, {}, { kind: "sent" }],
  [401, {}, { kind: "refused" }],
  [404, {}, { kind: "terminal" }],
  [410, {}, { kind: "terminal" }],
  [422, {}, { kind: "terminal" }],
  [301, {}, { kind: "terminal" }],
  [500, {}, { kind: "unavailable" }],
  [502, {}, { kind: "unavailable" }],
  [503, {}, { kind: "unavailable" }],
  [408, {}, { kind: "unavailable" }],
  [403, {}, { kind: "unavailable" }],
  [403, { "retry-after": "17" }, { kind: "wait", afterMs: 17_000 }],
  [429, { "retry-after": "3" }, { kind: "wait", afterMs: 3_000 }],
  [503, { "retry-after": "5" }, { kind: "wait", afterMs: 5_000 }],
  [429, {}, { kind: "wait", afterMs: 60_000 }],
  [
    429,
    { "retry-after": "Sat, 21 Nov 2026 20:00:30 GMT", date },
    { kind: "wait", afterMs: 30_000 },
  ],
  [429, { "retry-after": "soon" }, { kind: "wait", afterMs: 60_000 }],
  [
    403,
    { "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset(90), date },
    { kind: "wait", afterMs: 90_000 },
  ],
  // Every answer of GitHub carries a reset time; while something remains it means nothing.
  [
    403,
    { "x-ratelimit-remaining": "4999", "x-ratelimit-reset": reset(90), date },
    { kind: "unavailable" },
  ],
])("%i with %j", (status, headers, expected) => {
  expect(toPostResult({ status, headers, message: "m" }, NOW)).toMatchObject(expected);
});

test("the forge's clock counts for its reset time, not ours", () => {
  const headers = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset(10), date };

  const result = toPostResult({ status: 403, headers, message: "" }, NOW - 3_600_000);

  expect(result).toMatchObject({ kind: "wait", afterMs: 10_000 });
});

test("a secondary limit without a time is a minute", () => {
  const message = "You have exceeded a secondary rate limit.";

  expect(toPostResult({ status: 403, headers: {}, message }, NOW)).toMatchObject({
    kind: "wait",
    afterMs: 60_000,
  });
});

test("no answer at all is tried again", () => {
  expect(toPostResult(new Error("connect ECONNREFUSED"), NOW)).toEqual({
    kind: "unavailable",
    isOutage: true,
    reason: "connect ECONNREFUSED",
  });
});

test("whatever headers say, a wait is between a second and a day, and reasons are bounded", () => {
  const headers = fc.dictionary(
    fc.constantFrom("retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "date"),
    fc.oneof(fc.string(), fc.constant("0"), fc.integer().map(String)),
  );
  const statuses = fc.integer({ min: 300, max: 599 });
  fc.assert(
    fc.property(statuses, headers, fc.string({ maxLength: 5_000 }), (status, seen, message) => {
      const result = toPostResult({ status, headers: seen, message }, NOW);

      if (result.kind === "sent") throw new Error("sent");
      expect(result.reason.length).toBeLessThanOrEqual(1_000);
      if (result.kind !== "wait") return;
      expect(result.afterMs).toBeGreaterThanOrEqual(1_000);
      expect(result.afterMs).toBeLessThanOrEqual(86_400_000);
    }),
  );
});

test("the newest status of the context is read back", () => {
  const list = [
    { context: "other", state: "success" },
    { context: "tatara", state: "pending", id: 2 },
    { context: "tatara", state: "success", id: 1 },
  ];

  expect(newestState(list, "tatara")).toBe("pending");
  expect(newestState(list, "none")).toBeUndefined();
  expect(newestState({ message: "Not Found" }, "tatara")).toBeUndefined();
});
