import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { startFaultProxy, type FaultProxy, type Place } from "../torture/network/fault-proxy.ts";
import { until } from "../support/until.ts";

/** Says back what it hears, and counts who is connected. */
async function startEcho() {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => undefined).once("close", () => open.delete(socket));
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    place: { port: (server.address() as AddressInfo).port },
    open,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function dial(place: Place): Promise<Socket> {
  const socket = connect({ ...place });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

async function rig() {
  await using undo = new AsyncDisposableStack();
  const echo = undo.use(await startEcho());
  const proxy = undo.use(await startFaultProxy({ to: () => echo.place }));
  const owned = undo.move();
  return { echo, proxy, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  let heard = "";
  while (heard.length < text.length) heard += String((await once(socket, "data"))[0]);
  return heard;
}

/** Milliseconds that a word takes there and back. */
async function roundTripMs(socket: Socket): Promise<number> {
  const startedAt = performance.now();
  await say(socket, "ping");
  return performance.now() - startedAt;
}

async function send(proxy: FaultProxy, bytes: Buffer): Promise<Buffer> {
  const socket = await dial(proxy.place);
  const heard = buffer(socket);
  socket.end(bytes);
  return await heard;
}

test("without a fault all bytes pass, both ways, and so do ends", async () => {
  await using parts = await rig();
  const bytes = Buffer.alloc(3_000_000, "tatara");

  const heard = await send(parts.proxy, bytes);

  expect(heard.equals(bytes)).toBe(true);
  await until(() => parts.proxy.openCount(), 0);
});

test("it stands between unix sockets too", async () => {
  await using echo = await startEcho();
  const dir = await mkdtemp(join(tmpdir(), "tatara-proxy-"));
  try {
    await using inner = await startFaultProxy({
      listen: { path: join(dir, "inner.sock") },
      to: () => echo.place,
    });
    await using outer = await startFaultProxy({
      listen: { path: join(dir, "outer.sock") },
      to: () => inner.place,
    });

    expect((await send(outer, Buffer.from("through both"))).toString()).toBe("through both");
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("latency delays each way and keeps the order", async () => {
  await using parts = await rig();
  parts.proxy.set({ kind: "latency", ms: 120, jitterMs: 60 });
  const socket = await dial(parts.proxy.place);

  const tookMs = await roundTripMs(socket);
  const heard = await say(socket, "one two three");

  expect(tookMs).toBeGreaterThanOrEqual(110);
  expect(heard).toBe("one two three");
  socket.destroy();
});

test("bandwidth holds up the sender, and slices change no byte", async () => {
  await using parts = await rig();
  const bytes = Buffer.from(Array.from({ length: 4_000 }, (_none, index) => index % 251));
  parts.proxy.set({ kind: "bandwidth", bytesPerSecond: 16_000 });
  const startedAt = performance.now();

  const slow = await send(parts.proxy, bytes);
  const tookMs = performance.now() - startedAt;
  parts.proxy.set({ kind: "slices", bytes: 7, everyMs: 0 });
  const sliced = await send(parts.proxy, bytes);

  expect(tookMs).toBeGreaterThanOrEqual(200);
  expect(slow.equals(bytes)).toBe(true);
  expect(sliced.equals(bytes)).toBe(true);
});

test("a reset tears open connections down by RST, and later ones too", async () => {
  await using parts = await rig();
  const socket = connect({ ...parts.proxy.place });
  const failed = once(socket, "error").then(([err]) => (err as NodeJS.ErrnoException).code);
  await say(socket, "hello");

  parts.proxy.set({ kind: "reset", afterMs: 0 });

  expect(await failed).toBe("ECONNRESET");
  await until(() => parts.echo.open.size, 0);
});

test("a half-open connection takes what is said and never answers, even after the fault", async () => {
  await using parts = await rig();
  const socket = await dial(parts.proxy.place);
  await say(socket, "hello");

  parts.proxy.set({ kind: "half-open", resetAfterMs: Number.POSITIVE_INFINITY });
  socket.write("is anybody there?");
  await until(() => parts.echo.open.size, 0);
  parts.proxy.set(undefined);

  expect(socket.readyState).toBe("open");
  expect(parts.proxy.openCount()).toBe(1);
  const other = await dial(parts.proxy.place);
  expect(await say(other, "a new one works")).toBe("a new one works");
  expect(socket.readyState).toBe("open");
  for (const one of [socket, other]) one.destroy();
});

test("a timeout lets nothing pass and then ends the connection", async () => {
  await using parts = await rig();
  const socket = await dial(parts.proxy.place);
  await say(socket, "hello");

  parts.proxy.set({ kind: "timeout", ms: 100 });
  const heard: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => heard.push(chunk));
  socket.write("lost");
  await once(socket, "close");

  expect(heard).toEqual([]);
});

test("a slow close is heard later", async () => {
  await using parts = await rig();
  parts.proxy.set({ kind: "slow-close", ms: 150 });
  const startedAt = performance.now();

  const heard = await send(parts.proxy, Buffer.from("bye"));

  expect(heard.toString()).toBe("bye");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(140);
});
