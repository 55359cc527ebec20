import { expect, test } from "vitest";
import { evrKey } from "../../../src/domain/evr-key.ts";
import { compareEvr, type Evr } from "../../../src/domain/rpm-version.ts";

const evr = (version: string, release = "1", epoch = 0): Evr => ({ epoch, version, release });
const order = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

/** In rpm's order, the oldest first. */
const ASCENDING: readonly Evr[] = [
  evr("1.0~rc1"),
  evr("1.0~rc1", "2"),
  evr("1.0~rc1^1"),
  evr("1.0~rc2"),
  evr("1.0"),
  evr("1.0", "1.56.g0a1b2c3.el9"),
  evr("1.0", "1.57.g0000000.el9"),
  evr("1.0", "2"),
  evr("1.0^"),
  evr("1.0^20260101"),
  evr("1.0a"),
  evr("1.0ab"),
  evr("1.0b"),
  evr("1.0.1"),
  evr("1.9"),
  evr("1.10"),
  evr("2"),
  evr("20260101"),
  evr("99999999999999999999999"),
  evr("0.1", "1", 1),
  evr("0.1", "1", 10),
];

test("keys of versions sort as rpm sorts the versions", () => {
  const keys = ASCENDING.map(evrKey);

  expect(keys.toSorted(order)).toEqual(keys);
  expect(new Set(keys).size).toBe(keys.length);
});

test("versions that are equal to rpm have equal keys", () => {
  expect(evrKey(evr("1.0"))).toBe(evrKey(evr("1_0")));
  expect(evrKey(evr("1.007"))).toBe(evrKey(evr("1.7")));
});

test("any two versions compare by their keys as they do themselves", () => {
  const parts = ["0", "00", "1", "10", "9", "a", "ab", "B", "~", "^", ".", "_", "rc", "123456"];
  let seed = 7;
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const text = (): string =>
    Array.from({ length: 1 + next(6) }, () => parts[next(parts.length)]).join("");
  for (let round = 0; round < 20_000; round += 1) {
    const a = { epoch: next(3), version: text(), release: text() };
    const b = { epoch: next(3), version: text(), release: text() };
    const seen = order(evrKey(a), evrKey(b));
    if (seen !== compareEvr(a, b)) expect({ a, b, seen }).toEqual({ a, b, seen: compareEvr(a, b) });
  }
});
