import { flushCompileCache } from "node:module";

/**
 * Tells whoever started this process that it does its work now: one line of JSON on stdout, which
 * carries nothing else. The supervisor waits for it.
 */
export function announceReady(facts: Readonly<Record<string, unknown>> = {}): void {
  process.stdout.write(`${JSON.stringify({ ready: true, ...facts })}\n`);
  // Otherwise only an orderly end would write it, which is what a process under kills never has.
  flushCompileCache();
}
