import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { readEvents } from "../../src/cli/event-stream.ts";

/** Told in its first argument. Each line on stdin is answered with the lags since the last, as JSON. */
interface Order {
  readonly url: string;
  readonly token: string;
  readonly build: string;
  readonly count: number;
}

const { url, token, build, count } = JSON.parse(process.argv[2] ?? "{}") as Order;
const STEP = "test";
const headers = { authorization: `Bearer ${token}` };
let lags: number[] = [];

for (let viewer = 0; viewer < count; viewer += 1) void watch();
process.stdout.write("{}\n");
for await (const _ of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(lags)}\n`);
  lags = [];
}
process.exit(0);

/** As a page does: an event says how long the log is by now, then what is new is fetched. */
async function watch(): Promise<void> {
  for (;;) {
    try {
      const events = await fetch(`${url}/api/builds/${build}/events`, { headers });
      if (events.body === null) continue;
      let from = await sizeNow();
      for await (const { name } of readEvents(events.body)) {
        if (name === "log") from = await readFrom(from);
      }
    } catch {
      await delay(100);
    }
  }
}

async function sizeNow(): Promise<number> {
  const path = `${url}/api/builds/${build}/log?step=${STEP}&tail=0`;
  const response = await fetch(path, { headers });
  await response.arrayBuffer();
  return Number(response.headers.get("Tatara-Log-Size") ?? 0);
}

/** Every line is the time at which it was printed, on this machine's clock. */
async function readFrom(from: number): Promise<number> {
  const path = `${url}/api/builds/${build}/log?step=${STEP}&from=${from}`;
  const response = await fetch(path, { headers });
  const text = await response.text();
  const now = Date.now();
  const end = text.lastIndexOf("\n") + 1;
  for (const line of text.slice(0, end).split("\n")) {
    if (/^\d{13}$/.test(line)) lags.push(now - Number(line));
  }
  return from + end;
}
