import { Readable } from "node:stream";
import { tarFileReader } from "./tar-file.ts";

/** A Dockerfile further back than this is not looked for: what was read meanwhile is held in memory. */
const PEEK_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Reads a context just far enough to know its Dockerfile, and gives back the whole of it. The text is
 * undefined when the file is not there, or not near the beginning.
 */
export async function peekDockerfile(
  context: NodeJS.ReadableStream,
  path: string,
): Promise<{ readonly context: Readable; readonly text: string | undefined }> {
  const source = context[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const file = tarFileReader(path);
  const read: Buffer[] = [];
  for (let bytes = 0; bytes < PEEK_BYTES_MAX && file.text() === undefined;) {
    const { value, done } = await source.next();
    if (done) break;
    file.look(value);
    read.push(value);
    bytes += value.length;
  }
  return { context: joined(read, source), text: file.text() };
}

function joined(read: Buffer[], rest: AsyncIterator<Buffer>): Readable {
  const whole = async function* () {
    try {
      yield* read;
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    } finally {
      await rest.return?.();
    }
  };
  return Readable.from(whole(), { objectMode: false });
}
