import { expect, test } from "vitest";
import { layerParts } from "../../../../workers/build/docker/stored-images.ts";
import { bytesOf, leastUsed } from "../../../../workers/build/stored.ts";
import type { Stored } from "../../../../workers/build/stored.ts";

function stored(name: string, usedAt: number, parts: Readonly<Record<string, number>>): Stored {
  const all = Object.entries(parts).map(([id, bytes]) => ({ id, bytes }));
  return { kind: "image", name, usedAt, parts: all, remove: async () => undefined };
}

const names = (some: readonly Stored[]) => some.map(({ name }) => name);

test("the least used go first, and no more than must", () => {
  const all = [stored("b", 2, { b: 10 }), stored("a", 1, { a: 10 }), stored("c", 3, { c: 10 })];

  expect(names(leastUsed(all, { bytesMax: 30, usedBefore: 100 }))).toEqual([]);
  expect(names(leastUsed(all, { bytesMax: 29, usedBefore: 100 }))).toEqual(["a"]);
  expect(names(leastUsed(all, { bytesMax: 10, usedBefore: 100 }))).toEqual(["a", "b"]);
  expect(names(leastUsed(all, { bytesMax: 0, usedBefore: 100 }))).toEqual(["a", "b", "c"]);
});

test("what a job of now may have used stays, however little room there is", () => {
  const all = [stored("old", 1, { a: 10 }), stored("now", 5, { b: 10 })];

  expect(names(leastUsed(all, { bytesMax: 0, usedBefore: 5 }))).toEqual(["old"]);
});

test("a part that several have counts once, and is freed with the last of them", () => {
  const all = [
    stored("a", 1, { common: 100, a: 1 }),
    stored("b", 2, { common: 100, b: 1 }),
    stored("c", 3, { c: 50 }),
  ];

  expect(bytesOf(all)).toBe(152);
  expect(names(leastUsed(all, { bytesMax: 151, usedBefore: 9 }))).toEqual(["a"]);
  expect(names(leastUsed(all, { bytesMax: 60, usedBefore: 9 }))).toEqual(["a", "b"]);
});

test("an image counts for what it adds to those that stay", () => {
  const partsOf = layerParts([
    { layers: ["base"], sizeBytes: 400, isOurs: false },
    { layers: ["base", "x"], sizeBytes: 450, isOurs: true },
    { layers: ["base", "x", "y"], sizeBytes: 457, isOurs: true },
    { layers: ["base", "z"], sizeBytes: 410, isOurs: true },
    { layers: ["base", "z", "theirs"], sizeBytes: 500, isOurs: false },
  ]);
  const bytes = (...layers: string[]) =>
    partsOf({ layers, sizeBytes: 0 }).map(({ bytes: own }) => own);

  expect(bytes("base", "x")).toEqual([50]);
  expect(bytes("base", "x", "y")).toEqual([50, 7]);
  expect(bytes("base", "z")).toEqual([]);
});
