import { parentPort } from "node:worker_threads";
import type { ReadAnswer, ReadCall } from "./readers.ts";
import { readPackage } from "./read-package.ts";

// One call at a time would leave the disk idle; the caller bounds how many there are.
parentPort?.on("message", ({ id, path, target }: ReadCall) => {
  const answer = (message: ReadAnswer): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    parentPort?.postMessage(message);
  };
  readPackage(path, target).then(
    (outcome) => answer({ id, outcome }),
    (err: unknown) => answer({ id, failed: err instanceof Error ? err.message : String(err) }),
  );
});
