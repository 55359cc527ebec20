import { createServer } from "node:http";
import { once } from "node:events";
import { expect, test } from "vitest";
import { apiClient } from "../../src/cli/api-client.ts";

/** Hangs up on the second request without a word, and answers all others. */
async function startRudeServer() {
  const methods: string[] = [];
  const server = createServer((request, response) => {
    methods.push(request.method ?? "");
    if (methods.length === 2) return void request.socket.destroy();
    request.resume();
    response.setHeader("content-type", "application/json");
    response.end('{"id":"b-1","number":1,"url":"http://none"}');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    methods,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function clientOf(url: string) {
  return apiClient({ url, token: "", signal: new AbortController().signal });
}

test("a question whose connection was closed under it is asked again", async () => {
  await using server = await startRudeServer();
  const client = clientOf(server.url);

  await client.request("/api/first", { method: "GET" });
  const second = await client.request("/api/second", { method: "GET" });

  expect(second.status).toBe(200);
  expect(server.methods).toEqual(["GET", "GET", "GET"]);
});

test("what changes something is never sent twice: the server may have heard it", async () => {
  await using server = await startRudeServer();
  const client = clientOf(server.url);

  await client.request("/api/first", { method: "GET" });

  await expect(client.request("/api/second", { method: "POST", json: {} })).rejects.toThrow(
    "No server answers",
  );
  expect(server.methods).toEqual(["GET", "POST"]);
});
