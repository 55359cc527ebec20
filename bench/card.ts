import { readFileSync, readdirSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { HOSTILE_LOGS, LOG_BYTES, repeated } from "../test/support/hostile-logs.ts";
import { cardOf } from "../test/support/log-card.ts";
import type { BenchOptions } from "./main.ts";
import { median } from "./support/numbers.ts";

const FOLDER = new URL("../test/fixtures/failing-logs/", import.meta.url);
const ROUNDS_MAX = 5;

/**
 * What the failure card of a whole remembered log costs: of each real failing log, repeated to that
 * length, and of logs made to be slow. The figure is the median over the logs, each the
 * median of its rounds; beside it one search for "error" in the same text.
 */
export async function run({ rounds }: BenchOptions): Promise<object> {
  const times = [...realLogs(), ...HOSTILE_LOGS].map(({ name, text }) => {
    const all = Array.from({ length: Math.min(rounds, ROUNDS_MAX) }, () => timeOf(text));
    return { name, ms: Math.round(median(all)), peerMs: peerTimeOf(text) };
  });
  const slowest = times.toSorted((a, b) => b.ms - a.ms).slice(0, 5);
  for (const { name, ms } of slowest) process.stdout.write(`${ms} ms: ${name}\n`);
  const all = times.map(({ ms }) => ms);
  const ours = median(all);
  const peer = median(times.map(({ peerMs }) => peerMs));
  return {
    ours,
    peer: Number(peer.toFixed(2)),
    unit: "ms",
    ratio: Number((ours / peer).toFixed(1)),
    worst: Math.max(...all),
    logs: all.length,
    logBytes: LOG_BYTES,
  };
}

function realLogs(): readonly { readonly name: string; readonly text: string }[] {
  const folders = readdirSync(FOLDER, { withFileTypes: true }).filter((one) => one.isDirectory());
  return folders.map(({ name }) => {
    return { name, text: repeated(readFileSync(new URL(`${name}/log`, FOLDER), "utf8")) };
  });
}

function timeOf(text: string): number {
  const startedAt = performance.now();
  cardOf(text);
  return performance.now() - startedAt;
}

/** One expression for "error" over the same text: what a search that knows no tool would cost. */
function peerTimeOf(text: string): number {
  const startedAt = performance.now();
  for (const line of text.split("\n")) if (/\b(?:error|failed)\b/i.test(line)) found += 1;
  return performance.now() - startedAt;
}
let found = 0;
