import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import type { LogFields } from "../../../src/shared/logger.ts";
import { serverClient } from "../../../src/shared/server-client.ts";
import { aFreePort } from "../../support/free-port.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { until } from "../../support/until.ts";

test("a server that is away is told once, with why, and that it is back", async () => {
  const port = await aFreePort();
  const url = `http://127.0.0.1:${port}`;
  const told: (LogFields | string)[] = [];
  const tell = (fields: LogFields, message: string) => void told.push(message, fields);
  const logger = { ...silentLogger, warn: tell, info: tell };
  const client = serverClient({ url, token: "a-token", logger, toldAfterMs: 1 });
  const call = { path: "/worker/v1/anything" };
  const answers: number[] = [503, 204, 204];
  const server = createServer((_request, response) => {
    response.writeHead(answers.shift() ?? 204).end();
  });
  const sent = client.send(call, AbortSignal.timeout(60_000));
  await until(() => told.length > 0, true);
  await expect(client.ask(call, AbortSignal.timeout(60_000))).rejects.toThrow("does not answer");

  server.listen(port, "127.0.0.1");
  await sent;

  await client.ask(call, AbortSignal.timeout(60_000));
  expect(told).toEqual([
    "The server cannot be reached and is asked again",
    { url, reason: `connect ECONNREFUSED 127.0.0.1:${port}` },
    "The server can be reached again",
    { url },
  ]);
  server.close();
  server.closeAllConnections();
  await once(server, "close");
});
