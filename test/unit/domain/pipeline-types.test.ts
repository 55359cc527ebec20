import { describe, expect, test } from "vitest";
import {
  formatDuration,
  formatSize,
  nounOf,
  parseDuration,
  parseSize,
  takes,
} from "../../../src/domain/pipeline-types.ts";
import type { KeyType } from "../../../src/domain/pipeline-types.ts";

describe("durations and sizes", () => {
  test.each([
    ["90s", 90_000, "90s"],
    ["10m", 600_000, "10m"],
    ["120m", 7_200_000, "2h"],
    ["14d", 1_209_600_000, "14d"],
  ])("%s", (text, ms, written) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(written);
  });

  test.each([
    ["512m", 512 * 1024 ** 2, "512m"],
    ["4g", 4 * 1024 ** 3, "4g"],
    ["1024k", 1024 ** 2, "1m"],
  ])("%s", (text, bytes, written) => {
    expect(parseSize(text)).toBe(bytes);
    expect(formatSize(bytes)).toBe(written);
  });

  test.each([
    "",
    "10",
    "m",
    "10 m",
    "-1m",
    "1.5h",
    "10min",
    "1e3s",
    "9999999999999s",
    "1__proto__",
  ])("%j is neither", (text) => {
    expect([parseDuration(text), parseSize(text)]).toEqual([undefined, undefined]);
  });
});

test.each<[KeyType, string, string]>([
  [{ is: "text", format: "command" }, "a command", "a command"],
  [{ is: "texts", format: "pattern" }, "a pattern or a list of patterns", "a pattern"],
  [{ is: "list", of: { is: "text", format: "line" } }, "a list of texts", "a text"],
  [{ is: "switch" }, "true or false", "true or false"],
  [{ is: "choice", of: ["a", "b", "c"] }, "a, b or c", "a, b or c"],
  [{ is: "number", min: 1, max: 2, isWhole: true }, "a whole number", "a number"],
  [
    {
      is: "either",
      of: [
        { is: "text", format: "channel" },
        { is: "keys", place: "when" },
      ],
    },
    "a channel or a map",
    "a channel",
  ],
])("%j in the words of a message", (type, taken, noun) => {
  expect([takes(type), nounOf(type)]).toEqual([taken, noun]);
});
