import { expect } from "vitest";
import type { Suite } from "../torture/suite.ts";

/** How a suite is run small, and how much must have happened for its silence to prove something. */
interface SmallTorture {
  readonly seed: number;
  readonly count: number;
  /** The suite accepts more than this. */
  readonly acceptedAbove?: number;
  /** Other than `count`: the suite does not count faults, or draws how many it deals. */
  readonly killsMin?: number;
}

interface CleanTorture {
  readonly kills: number;
  /** What the suite told people, line by line. */
  readonly told: readonly string[];
}

/** Runs a torture suite small: it must deal all that it was asked for, and break no promise. */
export async function expectCleanTorture(
  suite: Suite,
  { seed, count, acceptedAbove = 0, killsMin = count }: SmallTorture,
): Promise<CleanTorture> {
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);

  const { accepted, kills = 0, violations } = await suite({ seed, count, keep: false, tell });

  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted, told.join("\n")).toBeGreaterThan(acceptedAbove);
  expect(kills, told.join("\n")).toBeGreaterThanOrEqual(killsMin);
  return { kills, told };
}
