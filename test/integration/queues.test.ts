import { expect, onTestFinished, test } from "vitest";
import { logLibraryLines } from "../../src/shared/library-lines.ts";
import { consumeTickets, openTickets } from "../../src/shared/queues.ts";
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

test("of a Redis that evicts, no library tells beside the server; its other lines are the log's", async () => {
  await using redis = await startRedis("allkeys-lru");
  const { warn, error } = globalThis.console;
  onTestFinished(() => void Object.assign(globalThis.console, { warn, error }));
  const printed: unknown[] = [];
  Object.assign(globalThis.console, { warn: (line: unknown) => void printed.push(line) });
  const logged: unknown[] = [];
  logLibraryLines({ ...silentLogger, warn: ({ line }) => void logged.push(line) });
  let taken = 0;
  const onTicket = async () => void (taken += 1);
  const common = { redisUrl: redis.url, logger: silentLogger };
  const tickets = openTickets({ ...common, onConnect: () => undefined });
  const consumer = consumeTickets({ ...common, queue: "build", onTicket });
  await until(
    () =>
      tickets.addAll("build", ["j-1"]).then(
        () => taken > 0,
        () => false,
      ),
    true,
  );

  globalThis.console.warn("a %s line", "strange");

  expect({ printed, logged }).toEqual({ printed: [], logged: ["a strange line"] });
  await consumer.close();
  await tickets.close();
});
