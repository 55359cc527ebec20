import { describe, expect, test } from "vitest";
import { pairings } from "../../../src/server/yum/pairings.ts";

describe("pairing a client with a generation", () => {
  test("holds for a minute after the index was given", () => {
    let now = 0;
    const known = pairings(() => now);
    known.remember("a", 3);

    now = 60_000;
    expect(known.find("a")).toBe(3);
    expect(known.find("b")).toBeUndefined();
    now = 60_001;
    expect(known.find("a")).toBeUndefined();
  });

  test("is bounded: the client that was away longest is forgotten", () => {
    const known = pairings(() => 0);
    known.remember("first", 1);
    known.remember("second", 1);
    known.remember("first", 2);
    for (let i = 0; i < 9_999; i += 1) known.remember(`other-${i}`, 1);

    expect(known.find("first")).toBe(2);
    expect(known.find("second")).toBeUndefined();
  });
});
