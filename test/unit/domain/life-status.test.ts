import { expect, test } from "vitest";
import {
  answerOfPost,
  GIVE_UP_MS,
  leaseStatus,
  nextStatus,
} from "../../../src/domain/life/status.ts";

const WANTED_AT = 1_800_000_000_000;
const RESULTS = [
  { kind: "parked", reason: "401" },
  { kind: "later", afterMs: 5_000, wholeCredential: false, reason: "401" },
] as const;

/** One that is claimed, and answered so at that moment. */
function answered(result: (typeof RESULTS)[number], now: number) {
  const wish = { buildId: "b-1", buildNumber: 1, state: "queued" } as const;
  const wanted = nextStatus(undefined, wish, WANTED_AT);
  if (wanted === undefined) throw new Error("Nothing is wanted.");
  const none = { leaseToken: null, lastProblem: null, doubtUntilAt: 0, checkAt: null };
  const row = { ...wish, ...none, sentVersion: 0, leaseUntilAt: 0, ...wanted };
  const claimed = { ...row, ...leaseStatus(row, "l-1", now) };
  return answerOfPost(claimed, { lease: "l-1", version: row.version, result }, now)?.set;
}

test.each(RESULTS)("a status that waits ends after 7 days, not before: $kind", (result) => {
  expect(answered(result, WANTED_AT + GIVE_UP_MS)?.terminalReason ?? null).toBeNull();

  const now = WANTED_AT + GIVE_UP_MS + 1;
  const terminalReason = "Given up after 7 days: 401";
  expect(answered(result, now)).toMatchObject({ terminalReason, terminalAt: now });
});
