import { expect, test } from "vitest";
import { openTickets } from "../../src/shared/queues.ts";
import { startRedis } from "../support/a-redis.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { until } from "../support/until.ts";

test("a Redis that hangs is told apart from one that answers, and tickets go on afterwards", async () => {
  await using redis = await startRedis();
  const onConnect = (): void => {};
  const tickets = openTickets({ redisUrl: redis.url, logger: silentLogger, onConnect });
  const isThere = () =>
    tickets.depth("build").then(
      () => true,
      () => false,
    );
  await until(isThere, true);

  redis.signal("SIGSTOP");
  const startedAt = performance.now();
  await expect(tickets.depth("build")).rejects.toThrow();
  await expect(tickets.addAll("build", ["j-1"])).rejects.toThrow();
  expect(performance.now() - startedAt).toBeLessThan(10_000);

  redis.signal("SIGCONT");
  await until(isThere, true);
  await tickets.addAll("build", ["j-2"]);
  expect(await tickets.depth("build")).toBeGreaterThan(0);
  await tickets.close();
});
