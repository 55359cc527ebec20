import { describe, expect, test } from "vitest";
import { missedMove, NO_SHA, type RecordedMove } from "../../../src/domain/missed-push.ts";

const LATER = false;

/** `"A>B B>C"`, received in this order, a second apart. */
function moves(text: string): readonly RecordedMove[] {
  return text.split(" ").map((move, index) => {
    const [before = "", after = ""] = move.split(">");
    return { before, after, receivedAt: (index + 1) * 1_000 };
  });
}

describe("a ref without recorded pushes", () => {
  test("is as it was at the first look, and new at a later one", () => {
    const past = { seen: undefined, moves: [] };

    expect(missedMove("A", past, true)).toBeUndefined();
    expect(missedMove("A", past, LATER)).toEqual({ before: NO_SHA });
  });

  test("was pushed to if it names something else than at the last look", () => {
    const past = { seen: { sha: "A", seenAt: 1 }, moves: [] };

    expect(missedMove("A", past, LATER)).toBeUndefined();
    expect(missedMove("B", past, LATER)).toEqual({ before: "A" });
  });
});

describe("a ref with recorded pushes", () => {
  test.each([
    ["in order", "A>B B>C", "C"],
    ["the newest first", "B>C A>B", "C"],
    ["mixed", "B>C C>D A>B", "D"],
    ["with a gap", "A>B C>D", "D"],
    ["back and forth", "A>B B>A", "A"],
    ["with what was found late", "A>C A>B", "C"],
  ])("that came %s has missed nothing", (_how, told, head) => {
    expect(missedMove(head, { seen: undefined, moves: moves(told) }, LATER)).toBeUndefined();
  });

  test.each([
    ["a new head", "A>B", "C", "B"],
    ["a way back", "A>B B>C", "B", "C"],
    ["a new head, after a late copy", "A>B B>C A>B", "D", "C"],
    ["a branch made again", `A>B B>${NO_SHA}`, "B", NO_SHA],
  ])("has missed %s", (_what, told, head, before) => {
    expect(missedMove(head, { seen: undefined, moves: moves(told) }, LATER)).toEqual({ before });
  });

  test("is compared with the last look where that is newer, else with the pushes", () => {
    const told = moves("A>B");

    const seen = { sha: "A", seenAt: 500 };
    expect(missedMove("A", { seen, moves: told }, LATER)).toEqual({ before: "B" });
    expect(missedMove("A", { seen: { ...seen, seenAt: 2_000 }, moves: told }, LATER)).toBe(
      undefined,
    );
  });
});
