import { isDeepStrictEqual } from "node:util";
import { setTimeout as delay } from "node:timers/promises";

const DEADLINE_MS = 60_000;
const EVERY_MS = 20;

/** Waits for a state, never for a time; at the deadline it says what was seen last. */
export async function until<T>(
  look: () => T | Promise<T>,
  wanted: NoInfer<T>,
  { deadlineMs = DEADLINE_MS, everyMs = EVERY_MS } = {},
): Promise<void> {
  const endAt = performance.now() + deadlineMs;
  for (;;) {
    const seen = await look();
    if (isDeepStrictEqual(seen, wanted)) return;
    if (performance.now() > endAt) {
      const facts = `wanted ${JSON.stringify(wanted)}, saw ${JSON.stringify(seen)}`;
      throw new Error(`Waited ${deadlineMs / 1_000} s: ${facts}`);
    }
    await delay(everyMs);
  }
}
