import { Worker } from "node:worker_threads";
import type { NameTable } from "./name-table.ts";
import type { MetadataFile } from "./repomd.ts";

/** What a thread gets to do. */
export interface MetadataJob {
  readonly kind: "primary" | "filelists";
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly file: MetadataFile;
  readonly openBytesMax: number;
}

const OPEN_BYTES_MAX = 8 * 2 ** 30;
/** Also what bounds hostile XML: the thread ends at it, and nothing else does. */
const HEAP_MIB_MAX = 768;

/** Throws Error with a sentence if the document is not what `repomd.xml` says, or not well-formed. */
export function parsePrimary(
  bytes: Uint8Array<ArrayBuffer>,
  file: MetadataFile,
  signal: AbortSignal,
): Promise<NameTable> {
  return inThread({ kind: "primary", bytes, file, openBytesMax: OPEN_BYTES_MAX }, signal);
}

/** The keys of its paths, ascending. Throws as `parsePrimary` does. */
export function parseFilelists(
  bytes: Uint8Array<ArrayBuffer>,
  file: MetadataFile,
  signal: AbortSignal,
): Promise<Float64Array> {
  return inThread({ kind: "filelists", bytes, file, openBytesMax: OPEN_BYTES_MAX }, signal);
}

/** The XML of a distribution takes seconds; the process goes on meanwhile. */
async function inThread<T>(job: MetadataJob, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const worker = new Worker(new URL("./metadata-thread.ts", import.meta.url), {
    workerData: job,
    transferList: [job.bytes.buffer],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  const answer = Promise.withResolvers<T>();
  worker.once("message", answer.resolve);
  worker.once("error", answer.reject);
  worker.once("exit", () => answer.reject(new Error("The thread that reads metadata has ended.")));
  const abort = (): void => answer.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await answer.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    await worker.terminate();
  }
}
