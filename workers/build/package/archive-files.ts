import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";

/** The first regular file of an archive; undefined when there is none, or it is too long. */
export async function firstFile(
  archive: NodeJS.ReadableStream,
  bytesMax: number,
): Promise<Buffer | undefined> {
  const entries = extract();
  archive.on("error", (err) => entries.destroy(err)).pipe(entries);
  let content: Buffer | undefined;
  for await (const entry of entries) {
    const { type, size } = entry.header;
    if (content !== undefined || type !== "file" || size > bytesMax) entry.resume();
    else content = await buffer(entry);
  }
  return content;
}
