import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";

/** What a client of files is told, as JSON in its first argument. It prints its result as one JSON line. */
export interface FetchOrder {
  readonly host: string;
  readonly port: number;
  /** Asked for in turn. */
  readonly paths: readonly string[];
  readonly seconds: number;
  /** Each sends its next request when the answer before is whole, on one connection kept alive. */
  readonly connections: number;
}

export interface FetchResult {
  readonly answered: number;
  /** Answers other than 200, and connections that broke. */
  readonly failed: number;
  readonly bodyBytes: number;
  readonly seconds: number;
  /** Milliseconds, sorted; at most 100,000 of them. */
  readonly latencies: readonly number[];
}

const LATENCIES_MAX = 100_000;
const HEAD_END = Buffer.from("\r\n\r\n");

const order = JSON.parse(process.argv[2] ?? "{}") as FetchOrder;
const requests = order.paths.map((path) =>
  Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: ${order.host}:${order.port}\r\nUser-Agent: bench\r\n\r\n`,
  ),
);
const latencies: number[] = [];
let answered = 0;
let failed = 0;
let bodyBytes = 0;
let turn = 0;
const startedAt = performance.now();
const untilAt = startedAt + order.seconds * 1_000;

/**
 * Reads sockets itself: node's own client would cost more than the servers that are compared. All
 * answers must carry a length.
 */
async function lane(): Promise<void> {
  const socket = connect(order.port, order.host);
  socket.setNoDelay(true);
  try {
    while (performance.now() < untilAt) {
      const sentAt = performance.now();
      const request = requests[turn++ % requests.length];
      if (request === undefined) throw new Error("There is nothing to ask for.");
      const { status, bytes } = await ask(socket, request);
      if (status === 200) answered += 1;
      else failed += 1;
      bodyBytes += bytes;
      if (latencies.length < LATENCIES_MAX) latencies.push(performance.now() - sentAt);
    }
  } catch {
    failed += 1;
  } finally {
    socket.destroy();
  }
}

function ask(socket: Socket, request: Buffer): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    let head: Buffer = Buffer.alloc(0);
    let status = 0;
    let size = -1;
    let seen = 0;
    const onData = (chunk: Buffer): void => {
      if (size >= 0) seen += chunk.length;
      else {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        const end = head.indexOf(HEAD_END);
        if (end < 0) return;
        const text = head.toString("latin1", 0, end);
        status = Number(text.slice(9, 12));
        size = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
        if (Number.isNaN(size)) return onEnd(new Error(`An answer without a length: ${text}`));
        seen = head.length - end - HEAD_END.length;
      }
      if (seen >= size) onEnd();
    };
    const onEnd = (err?: Error): void => {
      socket.off("data", onData).off("error", onEnd).off("close", onClose);
      if (err) reject(err);
      else resolve({ status, bytes: seen });
    };
    const onClose = (): void => onEnd(new Error("The connection was closed."));
    socket.on("data", onData).once("error", onEnd).once("close", onClose);
    socket.write(request);
  });
}

await Promise.all(Array.from({ length: order.connections }, lane));
const seconds = (performance.now() - startedAt) / 1_000;
latencies.sort((a, b) => a - b);
const result = { answered, failed, bodyBytes, seconds, latencies } satisfies FetchResult;
process.stdout.write(`${JSON.stringify(result)}\n`);
