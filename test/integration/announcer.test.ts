import { expect, test } from "vitest";
import { createAnnouncer } from "../../src/server/announcer.ts";
import { createLive } from "../../src/server/live.ts";
import { openTickets } from "../../src/shared/queues.ts";
import { startRedis } from "../support/a-redis.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { until } from "../support/until.ts";

const BURST = 40;
const SOON = { deadlineMs: 20_000 };

test("a burst of pushes wakes many free places of build workers, and one reporter for all", async () => {
  await using redis = await startRedis();
  const logger = silentLogger;
  const tickets = openTickets({ redisUrl: redis.url, logger, onConnect: () => undefined });
  const depth = async (queue: "build" | "report"): Promise<number> => await tickets.depth(queue);
  await until(() => depth("build").catch(() => -1), 0);
  const announcer = createAnnouncer({ tickets, logger, live: createLive() });

  for (let push = 0; push < BURST; push += 1) {
    announcer.announce({ buildId: "b", queuedJobs: [`j-${push}`], statusId: `s-${push}` });
  }
  await until(() => depth("build"), 32, SOON);
  await until(() => depth("report"), 1, SOON);
  // What comes later has a ticket of its own: the one before may just be being taken.
  announcer.announce({ statusId: "s-later" });
  await until(() => depth("report"), 2, SOON);
  expect(await depth("build")).toBe(32);
  await tickets.close();
});
