import { expect } from "vitest";
import type { Suite } from "../torture/suite.ts";

/** Runs a torture suite small: it must deal all that it was asked for, and break no promise. */
export async function expectCleanTorture(
  suite: Suite,
  { seed, count }: { readonly seed: number; readonly count: number },
): Promise<void> {
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);

  const { accepted, kills, violations } = await suite({ seed, count, keep: false, tell });

  expect(violations, told.join("\n")).toEqual([]);
  expect(accepted).toBeGreaterThan(0);
  expect(kills).toBeGreaterThanOrEqual(count);
}
