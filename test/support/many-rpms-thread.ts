import { parentPort, workerData } from "node:worker_threads";
import { writePart } from "./many-rpms.ts";
import type { WritePart } from "./many-rpms.ts";

/** Entry of a thread that writes RPMs. */
const written = await writePart(workerData as WritePart);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
parentPort?.postMessage(written);
