import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openYumRelay, withAddressesOf } from "../../workers/build/verify/yum-relay.ts";
import type { YumRelay } from "../../workers/build/verify/yum-relay.ts";
import { aFreePort } from "../support/free-port.ts";

const PUBLIC = "https://ci.example.com/tatara";
const BYTES = Buffer.alloc(3_000_000, "rpm");
const asked: Pick<IncomingMessage, "method" | "url" | "headers">[] = [];

const server = createServer((request, response) => {
  asked.push({ method: request.method, url: request.url, headers: request.headers });
  if (request.url === "/yum/dev/el9.x86_64/mirrorlist") {
    response.end(`${PUBLIC}/yum/dev/el9.x86_64/\nhttp://[::1]:8080/yum/dev/el9.x86_64/\n`);
  } else if (request.url === "/yum/broken.rpm") {
    response.writeHead(200, { "content-length": "1000" });
    response.write("half");
    setImmediate(() => response.destroy());
  } else if (request.url === "/yum/gone.rpm") response.writeHead(410).end("yanked");
  else response.end(BYTES);
});
let relay: YumRelay;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  relay = await openYumRelay("127.0.0.1", `http://127.0.0.1:${port}`);
});
afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("yum files come through byte for byte, with their status", async () => {
  const answer = await fetch(`${relay.url}/yum/dev/x.rpm`, { headers: { range: "bytes=0-" } });
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES)).toBe(true);
  expect(asked.at(-1)).toMatchObject({ method: "GET", headers: { range: "bytes=0-" } });
  const gone = await fetch(`${relay.url}/yum/gone.rpm`);
  expect([gone.status, await gone.text()]).toEqual([410, "yanked"]);
});

test("addresses that the server tells lead back to the relay", async () => {
  const answer = await fetch(`${relay.url}/yum/dev/el9.x86_64/mirrorlist`);
  const own = `${relay.url}/yum/dev/el9.x86_64/\n`;
  expect(await answer.text()).toBe(own + own);
});

test("nothing else of the server can be reached, and nothing is written", async () => {
  const before = asked.length;
  for (const path of [
    "/",
    "/api/builds",
    "/yum/../api/builds",
    "/yum/%2e%2e/api/builds",
    "/yumX/",
    // No addresses at all: a container says what it likes, and the worker goes on.
    "//",
    "http://",
    "http://[/yum/",
    "*",
  ]) {
    // Not by fetch, which would resolve the path itself.
    expect(await statusOf("GET", path)).toBe(404);
  }
  for (const method of ["POST", "PUT", "DELETE"]) {
    expect(await statusOf(method, "/yum/dev/x.rpm")).toBe(404);
  }
  expect(asked.length).toBe(before);
});

test("a token of the caller is not passed on", async () => {
  await fetch(`${relay.url}/yum/dev/x.rpm`, {
    headers: { authorization: "Bearer x", cookie: "y" },
  });
  expect(asked.at(-1)?.headers).not.toHaveProperty("authorization");
  expect(asked.at(-1)?.headers).not.toHaveProperty("cookie");
});

test("an answer that breaks off is not taken for a whole one", async () => {
  await expect(fetch(`${relay.url}/yum/broken.rpm`).then((got) => got.text())).rejects.toThrow();
  expect(relay.wasCutOff()).toBe(true);
});

test("whoever asks while the server restarts gets its answer once it is back", async () => {
  const down = await aFreePort();
  await using waiting = await openYumRelay("127.0.0.1", `http://127.0.0.1:${down}`);
  const answer = fetch(`${waiting.url}/yum/dev/x.rpm`);
  const back = createServer((_request, response) => response.end("here again"));
  await new Promise<void>((resolve) => setTimeout(resolve, 100));
  await new Promise<void>((resolve) => back.listen(down, "127.0.0.1", resolve));

  expect(await (await answer).text()).toBe("here again");
  expect(waiting.wasCutOff()).toBe(false);
  back.closeAllConnections();
  await new Promise((resolve) => back.close(resolve));
});

test("a server that stays away is not the fault of whoever asked", async () => {
  const port = await aFreePort();
  await using cut = await openYumRelay("127.0.0.1", `http://127.0.0.1:${port}`, { waitMs: 50 });
  expect((await fetch(`${cut.url}/yum/dev/x.rpm`)).status).toBe(502);
  expect(cut.wasCutOff()).toBe(true);
});

test("an address that is not this machine's is refused at once", async () => {
  await expect(openYumRelay("192.0.2.1", "http://127.0.0.1:1")).rejects.toThrow(/EADDRNOTAVAIL/);
});

test("only addresses of yum files are changed", () => {
  const body =
    "gpgkey=https://ci.example.com/a/b/yum/keys/tatara.asc\nurl=https://example.com/yummy/\n";
  expect(withAddressesOf("http://10.0.0.1:1", body)).toBe(
    "gpgkey=http://10.0.0.1:1/yum/keys/tatara.asc\nurl=https://example.com/yummy/\n",
  );
});

async function statusOf(method: string, path: string): Promise<number> {
  const { hostname, port } = new URL(relay.url);
  const socket = connect(Number(port), hostname);
  socket.end(`${method} ${path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n`);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(await text(socket))?.[1]);
}
