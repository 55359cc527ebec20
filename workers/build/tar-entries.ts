import { Readable } from "node:stream";
import { extract } from "tar-stream";
import type { Header } from "tar-stream";

/** A file of an archive while it is being read; it must be read to its end, or resumed. */
export interface TarEntry extends AsyncIterable<Uint8Array> {
  readonly header: Header;
  resume(): unknown;
}

/**
 * Calls `take` for each entry of an archive, one after the other. What it throws ends the reading,
 * wherever the archive is then. Not by `pipeline`: an archive that is given up half-way makes it throw
 * where nobody can catch it, which would end the whole process.
 */
export async function readTarEntries(
  tar: NodeJS.ReadableStream,
  take: (entry: TarEntry) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  // As it is where it can be: one around it would end it with an error of its own.
  const source = tar instanceof Readable ? tar : Readable.from(tar, { objectMode: false });
  const entries = extract();
  let fault: { readonly err: unknown } | undefined;
  const stop = (err: unknown): void => {
    fault ??= { err };
    entries.destroy(err instanceof Error ? err : new Error(String(err)));
  };
  const onAbort = () => stop(signal.reason);
  source.on("error", stop);
  // The loop below hears of it; and one that is given up says so, which is no news to anybody.
  const ignore = () => undefined;
  tar.on("error", ignore);
  entries.on("error", ignore);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  source.pipe(entries);
  try {
    for await (const entry of entries) await take(entry as unknown as TarEntry);
  } catch (err) {
    throw fault === undefined ? err : fault.err;
  } finally {
    signal.removeEventListener("abort", onAbort);
    source.destroy();
  }
}
