import { expect, test } from "vitest";
import { judge, slopesOf } from "../torture/soak/slopes.ts";

const MIB = 2 ** 20;

/** One look a minute at one life. */
function samplesOf(liveMib: (minute: number) => number, openFiles: (minute: number) => number) {
  const samples = Array.from({ length: 90 }, (_none, minute) => ({
    atMs: minute * 60_000,
    life: "1",
    rssBytes: (150 + 20 * (minute % 9)) * MIB,
    // Not at every look.
    ...(minute % 2 === 0 ? { liveBytes: liveMib(minute) * MIB } : {}),
    openFiles: openFiles(minute),
    threads: 11,
  }));
  return { processes: new Map([["build", samples]]), redisBytes: [], diskBytes: [] };
}

test("a process that grows by a MiB a minute leaks; one that breathes does not", () => {
  const leaking = slopesOf(
    samplesOf(
      (minute) => 100 + minute,
      () => 40,
    ),
  );
  expect(leaking[0]?.liveMibPerHour).toBe(60);
  expect(judge(leaking).map(({ what }) => what)).toEqual([
    "I8 build grows by 60 MiB an hour, over 59 min",
  ]);
  expect(
    judge(
      slopesOf(
        samplesOf(
          (minute) => 100 + (minute % 7),
          () => 40,
        ),
      ),
    ),
  ).toEqual([]);
});

test("a process that takes too much is told, whatever it frees afterwards", () => {
  const greedy = slopesOf({
    processes: new Map([
      [
        "build",
        [100, 500, 100, 100].map((mib, at) => ({
          atMs: at * 30 * 60_000,
          life: "1",
          rssBytes: mib * MIB,
          openFiles: 40,
          threads: 11,
        })),
      ],
    ]),
    redisBytes: [],
    diskBytes: [],
  });
  expect(judge(greedy).map(({ what }) => what)).toEqual(["I8 build took 500 MiB"]);
});

test("files that stay open are told; a warm-up is not", () => {
  const leaking = slopesOf(
    samplesOf(
      () => 100,
      (minute) => 40 + minute,
    ),
  );
  expect(judge(leaking)).toHaveLength(1);
  const warming = slopesOf(
    samplesOf(
      (minute) => Math.min(180, 100 + minute * 10),
      () => 40,
    ),
  );
  expect(judge(warming)).toEqual([]);
});
