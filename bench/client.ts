import { mkdir } from "node:fs/promises";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { dnfHost, type DnfHost } from "../test/torture/yum/dnf-loop.ts";
import type { BenchOptions } from "./main.ts";
import { CHANNEL, largeChannel, TARGET, type LargeChannel } from "./support/large-channel.ts";
import { median } from "./support/numbers.ts";

/**
 * What a publish costs each host that follows a large channel: bytes and seconds of a real dnf's
 * refresh after one more package, from the whole target and from its two layers.
 */
export async function run({ packages, rounds }: BenchOptions): Promise<object> {
  await using channel = await largeChannel(packages);
  const whole = await follow(channel, "whole", [TARGET]);
  const layered = await follow(channel, "layered", [`${TARGET}-base`, `${TARGET}-updates`]);
  try {
    for (const host of [whole, layered]) say(describe("first", host.name, await host.refresh()));
    const found: { readonly whole: Refresh; readonly layered: Refresh }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await publishOne(channel);
      const pair = { whole: await whole.refresh(), layered: await layered.refresh() };
      say(`${describe("refresh", "whole", pair.whole)}; ${describe("", "layered", pair.layered)}`);
      found.push(pair);
    }
    const ours = median(found.map((pair) => pair.layered.bytes));
    const peer = median(found.map((pair) => pair.whole.bytes));
    return {
      packages,
      ours,
      peer,
      unit: "bytes per refresh",
      ratio: Number((ours / peer).toPrecision(3)),
      peerIs: "the same channel without layers",
      seconds: round(median(found.map((pair) => pair.layered.ms)) / 1_000),
      peerSeconds: round(median(found.map((pair) => pair.whole.ms)) / 1_000),
    };
  } finally {
    await whole.close();
    await layered.close();
  }
}

interface Refresh {
  readonly bytes: number;
  readonly ms: number;
}

interface Follower {
  readonly name: string;
  refresh(): Promise<Refresh>;
  close(): Promise<void>;
}

/** A host behind a proxy of its own, which counts what comes through. */
async function follow(
  { yum }: LargeChannel,
  name: string,
  targets: readonly string[],
): Promise<Follower> {
  const proxy = await countingProxy(yum.url);
  const folder = join(yum.dir, `host-${name}`);
  await mkdir(folder);
  const place = { url: proxy.url, channel: CHANNEL };
  const host: DnfHost = await dnfHost(folder, { ...place, targets });
  return {
    name,
    refresh: async () => {
      const before = proxy.bytes();
      const startedAt = performance.now();
      const failure = await host.refresh();
      if (failure !== undefined) throw new Error(failure);
      return { bytes: proxy.bytes() - before, ms: performance.now() - startedAt };
    },
    close: proxy.close,
  };
}

async function countingProxy(to: string) {
  let bytes = 0;
  const forward = (asked: IncomingMessage, response: ServerResponse): void => {
    const headers = { ...asked.headers };
    const sent = request(`${to}${asked.url ?? ""}`, { method: asked.method, headers });
    sent.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk: Buffer) => (bytes += chunk.length));
      answer.pipe(response);
    });
    sent.on("error", () => response.destroy());
    asked.pipe(sent);
  };
  const server = createServer(forward).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function publishOne({ yum, newPackage }: LargeChannel): Promise<void> {
  const path = await newPackage();
  const { buildId } = await yum.builds.finish({ packages: [{ path, target: TARGET }] });
  const { state } = await yum.builds.final(buildId);
  if (state !== "passed") throw new Error(`${path}: ${state}`);
}

function describe(what: string, name: string, { bytes, ms }: Refresh): string {
  return `${what} ${name}: ${bytes} bytes, ${round(ms / 1_000)} s`.trim();
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
