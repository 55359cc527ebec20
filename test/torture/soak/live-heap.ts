import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

/** A process started with this opens its inspector on SIGUSR1, at a port of its own. */
export const INSPECTABLE = "--inspect-port=127.0.0.1:0";

const OPENING_MS = 20_000;
const ANSWER_MS = 20_000;
const EVERY_MS = 50;
const OPENED = /Debugger listening on (ws:\/\/127\.0\.0\.1:\d+\/\S+)/g;
/** Later than its own answer. */
const CLOSE = `setTimeout(() => process.getBuiltinModule("node:inspector").close(), 50).unref()`;
const answered = z.object({ id: z.number(), result: z.looseObject({}) });
const usage = z.object({
  result: z.object({ value: z.object({ heapUsed: z.number(), external: z.number() }) }),
});

/**
 * Bytes that a process still holds after a full garbage collection: the heap of its main thread, and
 * what that keeps outside of it. Resident memory shows when V8 last wished to collect; this shows a
 * leak. Undefined: it died meanwhile, or stood still.
 */
export async function liveBytes(
  pid: number,
  readLog: () => Promise<string>,
): Promise<number | undefined> {
  try {
    const before = addressesIn(await readLog()).length;
    process.kill(pid, "SIGUSR1");
    return await collectAndRead(await newAddress(readLog, before));
  } catch {
    return undefined;
  }
}

async function newAddress(readLog: () => Promise<string>, before: number): Promise<string> {
  const endAt = performance.now() + OPENING_MS;
  while (performance.now() < endAt) {
    const address = addressesIn(await readLog())[before];
    if (address !== undefined) return address;
    await delay(EVERY_MS);
  }
  throw new Error("Its inspector did not open.");
}

function addressesIn(log: string): readonly string[] {
  return [...log.matchAll(OPENED)].flatMap(([, address]) => address ?? []);
}

async function collectAndRead(address: string): Promise<number> {
  const socket = new WebSocket(address);
  const limit = AbortSignal.timeout(ANSWER_MS);
  const ask = async (id: number, method: string, params = {}): Promise<unknown> => {
    socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [message]: unknown[] = await once(socket, "message", { signal: limit });
      const data = message instanceof MessageEvent ? String(message.data) : "";
      const parsed = answered.safeParse(JSON.parse(data));
      if (parsed.success && parsed.data.id === id) return parsed.data.result;
    }
  };
  try {
    await once(socket, "open", { signal: limit });
    await ask(1, "HeapProfiler.collectGarbage");
    // What finalizers free, the second round collects.
    await ask(2, "HeapProfiler.collectGarbage");
    const expression = `${CLOSE}; const { heapUsed, external } = process.memoryUsage(); ({ heapUsed, external })`;
    const read = await ask(3, "Runtime.evaluate", {
      expression,
      returnByValue: true,
      replMode: true,
    });
    const { heapUsed, external } = usage.parse(read).result.value;
    return heapUsed + external;
  } finally {
    socket.close();
  }
}
