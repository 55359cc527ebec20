import { request, Agent } from "node:http";
import { performance } from "node:perf_hooks";
import { signedPushes, type SignedPush } from "./signed-pushes.ts";

/** What a sender is told, as JSON in its first argument. It prints its result as one JSON line. */
export interface LoadOrder {
  readonly url: string;
  readonly secret: string;
  readonly stream: string;
  readonly seconds: number;
  /** Requests in flight, each sent when the one before was answered; or, with a rate, at fixed times. */
  readonly connections: number;
  readonly perSecond: number | null;
}

export interface LoadResult {
  readonly answered: number;
  readonly refused: number;
  readonly seconds: number;
  /** Milliseconds from when a request was due until its answer, sorted. */
  readonly latencies: readonly number[];
}

const order = JSON.parse(process.argv[2] ?? "{}") as LoadOrder;
const agent = new Agent({ keepAlive: true, maxSockets: Math.max(order.connections, 128) });
const pushes = signedPushes(order.secret, order.stream);
const latencies: number[] = [];
let answered = 0;
let refused = 0;

const send = (push: SignedPush, dueAt: number): Promise<void> =>
  new Promise((resolve) => {
    const call = request(order.url, {
      method: "POST",
      agent,
      headers: {
        "content-type": "application/json",
        "content-length": push.body.length,
        "x-github-event": "push",
        "x-github-delivery": push.deliveryId,
        "x-hub-signature-256": push.signature,
      },
    });
    const end = (isAccepted: boolean): void => {
      latencies.push(performance.now() - dueAt);
      if (isAccepted) answered += 1;
      else refused += 1;
      resolve();
    };
    call.once("response", (response) => {
      response.resume();
      response.once("end", () => end(response.statusCode === 202));
    });
    call.once("error", () => end(false));
    call.end(push.body);
  });

const next = (): SignedPush => {
  const { value } = pushes.next();
  if (value === undefined) throw new Error("The stream of pushes has no end.");
  return value as SignedPush;
};

const startedAt = performance.now();
const untilAt = startedAt + order.seconds * 1_000;

async function closedLoop(): Promise<void> {
  const lane = async (): Promise<void> => {
    while (performance.now() < untilAt) await send(next(), performance.now());
  };
  await Promise.all(Array.from({ length: order.connections }, lane));
}

async function openLoop(perSecond: number): Promise<void> {
  const sent: Promise<void>[] = [];
  const total = Math.round(order.seconds * perSecond);
  for (let count = 0; count < total; count += 1) {
    const dueAt = startedAt + (count * 1_000) / perSecond;
    // Waits by the clock, so that a slow answer never delays the requests behind it.
    while (performance.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 1));
    sent.push(send(next(), dueAt));
  }
  await Promise.all(sent);
}

await (order.perSecond === null ? closedLoop() : openLoop(order.perSecond));
const seconds = (performance.now() - startedAt) / 1_000;
latencies.sort((a, b) => a - b);
process.stdout.write(
  `${JSON.stringify({ answered, refused, seconds, latencies } satisfies LoadResult)}\n`,
);
agent.destroy();
