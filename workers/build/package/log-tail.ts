import type { PackageDeps } from "./package-types.ts";

/** What explains a failure stands at the end of a log, and tests of specs print much. */
const TAIL_BYTES_MAX = 256 * 1024;

/** What the containers printed last, for who explains a failure. */
export interface LogTail {
  clear(): void;
  text(): string;
}

export interface TailedDeps extends PackageDeps {
  readonly tail: LogTail;
  /** Whole lines of our own, in order with what the containers print. */
  readonly say: (lines: readonly string[]) => void;
}

export function withTail(deps: PackageDeps): TailedDeps {
  let chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: Buffer): void => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < 2 * TAIL_BYTES_MAX) return;
    chunks = [Buffer.concat(chunks).subarray(-TAIL_BYTES_MAX)];
    bytes = TAIL_BYTES_MAX;
  };
  let said: Promise<void> = Promise.resolve();
  const write = async (chunk: Buffer): Promise<void> => {
    keep(chunk);
    await said;
    await deps.write(chunk);
  };
  return {
    ...deps,
    write,
    say: (lines) => {
      if (lines.length === 0) return;
      const text = Buffer.from(`${lines.join("\n")}\n`);
      said = said.then(() => deps.write(text));
      // A log that does not take it says so to the container's own output too.
      said.catch(() => undefined);
    },
    tail: {
      clear: () => {
        chunks = [];
        bytes = 0;
      },
      text: () => Buffer.concat(chunks).toString(),
    },
  };
}
