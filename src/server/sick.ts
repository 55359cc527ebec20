import type { RequestListener } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { diskRefusal } from "../shared/disk-errors.ts";
import { probe } from "./disk-alarm.ts";

const LOOK_EVERY_MS = 1_000;
const RETRY_AFTER_SECONDS = "10";

/** Answers everything, `/healthz` too, with 503 and why the server could not start. */
export function refuseEverything(err: unknown, dataDir: string): RequestListener {
  const refusal = diskRefusal(err);
  const why = refusal === undefined ? String(err) : `${refusal.why} (${refusal.code})`;
  const problem =
    `the server could not start, for the disk with ${dataDir} takes no writes: ${why}. ` +
    "Make room or mend the disk; the server then starts by itself.";
  const body = JSON.stringify({ status: "failing", problems: [problem], warnings: [] });
  return (request, response) => {
    request.resume();
    response
      .writeHead(503, {
        "content-type": "application/json",
        "cache-control": "no-store",
        "retry-after": RETRY_AFTER_SECONDS,
      })
      .end(body);
  };
}

/** Resolves once the disk takes writes. */
export async function untilWritable(dataDir: string): Promise<void> {
  while ((await probe(dataDir)) !== undefined) await delay(LOOK_EVERY_MS);
}
