import { createInterface } from "node:readline";
import type { Ask } from "./command.ts";

/** On stderr, since stdout is the answer; the input's own editing keys work, Ctrl-C interrupts. */
export const askAtTerminal: Ask = async (question, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = createInterface({ input: process.stdin, terminal: false });
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  lines.once("line", resolve);
  lines.once("close", () => resolve(""));
  process.stderr.write(question);
  try {
    signal.throwIfAborted();
    return (await promise).trim();
  } finally {
    signal.removeEventListener("abort", stop);
    lines.close();
  }
};
