import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fairOrder,
  medianMs,
  waitings,
  type QueuedJob,
  type QueueFacts,
} from "../../../src/domain/waiting.ts";
import { missingPublisher } from "../../../src/domain/missing-workers.ts";
import { roughly } from "../../../src/domain/waiting-words.ts";

const NOW = 1_000_000;
const FACTS: QueueFacts = {
  now: NOW,
  running: [],
  workersSeenAt: new Map([["x86_64", NOW]]),
  aliveSinceAt: NOW - 60_000,
  drained: [],
};

function aJob(some: Partial<QueuedJob> = {}): QueuedJob {
  return {
    id: "j-1",
    repo: "acme/hello",
    priority: 20,
    queuedAt: 0,
    arch: null,
    isReady: true,
    waitReason: null,
    needs: [],
    isBlocked: false,
    stageWaits: null,
    notBeforeAt: 0,
    lastReason: null,
    busyStranger: null,
    typicalMs: null,
    ...some,
  };
}

const why = (some: Partial<QueuedJob>, facts = FACTS) =>
  waitings([aJob(some)], facts).get("j-1")?.reason;

test.each([
  [{ isReady: false }, "waits for its push to end"],
  [{ waitReason: "waits for approval" }, "waits for approval"],
  [
    { isBlocked: true, needs: ["common", "el9.x86_64 (tests)"] },
    "waits for common, el9.x86_64 (tests)",
  ],
  [{ isBlocked: true }, "waits for the packages that it verifies"],
  [{ notBeforeAt: NOW + 30_000, lastReason: "pull failed" }, "tries again in 30 s: pull failed"],
  [{ arch: "aarch64" }, "no worker for aarch64"],
  [{ busyStranger: "eve" }, "as many jobs of eve as may run already"],
  [{ arch: "x86_64" }, "waiting for a worker: next in line"],
])("%j: %s", (some, reason) => {
  expect(why(some)).toBe(reason);
});

test("a worker that did not say what it is may take any job", () => {
  const facts = { ...FACTS, workersSeenAt: new Map([["", NOW]]) };
  expect(why({ arch: "aarch64" }, facts)).toBe("waiting for a worker: next in line");
});

test("a job whose workers are drained names them, and how they come back", () => {
  const drained = [
    { id: "w-1", arch: "x86_64" },
    { id: "w-2", arch: "aarch64" },
  ];
  const facts = { ...FACTS, workersSeenAt: new Map<string, number>(), drained };

  expect(why({}, facts)).toBe("its workers are drained: w-1, w-2; tatara worker resume w-1");
  expect(why({ arch: "aarch64" }, facts)).toBe(
    "its worker is drained: w-2; tatara worker resume w-2",
  );
  expect(why({ arch: "s390x" }, facts)).toBe("no worker for s390x");
  // Others of its kind take it.
  expect(why({ arch: "x86_64" }, { ...FACTS, drained })).toContain("next in line");
});

test("what waits to be verified says why nobody publishes it", () => {
  const stageWaits = "the publish worker is drained: p-1; tatara worker resume p-1";

  expect(why({ isBlocked: true, stageWaits })).toBe(
    `waits for the packages that it verifies: ${stageWaits}`,
  );
});

test("a publish waits for nobody while one publish worker is there, or publishes", () => {
  const there = { id: "p-1", seenAt: NOW, isDrained: false, isBusy: false };
  const missing = (...workers: readonly (typeof there)[]) => missingPublisher(workers, FACTS);
  const gone = { ...there, seenAt: NOW - 180_000 };

  expect(missing(there, { ...there, id: "p-2", isDrained: true })).toBeNull();
  expect(missing({ ...gone, isBusy: true })).toBeNull();
  expect(missing({ ...there, isDrained: true })).toBe(
    "the publish worker is drained: p-1; tatara worker resume p-1",
  );
  expect(missing(gone)).toBe("no publish worker is online since 3 min");
  expect(missing()).toBe("no publish worker is online");
});

test("times are said as exactly as they are known", () => {
  expect([400, 40_000, 89_000, 91_000, 3_600_000, 6_000_000].map(roughly)).toEqual([
    "1 s",
    "40 s",
    "89 s",
    "2 min",
    "60 min",
    "2 h",
  ]);
  expect(medianMs([])).toBeNull();
  expect(medianMs([5, 1, 9])).toBe(5);
});

test("nobody is lost or doubled, priorities hold, and no repo waits for more than its turn", () => {
  const jobs = fc.array(
    fc.record({
      repo: fc.constantFrom("a", "b", "c"),
      priority: fc.constantFrom(0, 20),
      queuedAt: fc.nat(100),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(jobs, (all) => {
      const order = fairOrder(all, []);
      expect(new Set(order)).toEqual(new Set(all));
      expect(order).toHaveLength(all.length);
      const priorities = order.map(({ priority }) => priority);
      expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
      // While it has more to come, a repo is never two ahead of another that has, too.
      const high = order.filter(({ priority }) => priority === 20);
      for (const [index] of high.entries()) {
        const [before, after] = [high.slice(0, index), high.slice(index)];
        const waiting = [...new Set(after.map(({ repo }) => repo))];
        const counts = waiting.map((repo) => before.filter((job) => job.repo === repo).length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }
    }),
  );
});
