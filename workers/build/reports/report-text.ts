import { TextDecoder } from "node:util";
/**
 * Decodes a report's bytes: by its byte order mark, else by what an XML declaration says, else UTF-8.
 * Bytes that fit no character become U+FFFD.
 */
export function reportDecoder(start: Uint8Array): TextDecoder {
  const [first, second] = start;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be");
  const head = Buffer.from(start.subarray(0, 200)).toString("latin1");
  const label = /^\s*<\?xml[^>]*\bencoding=["']([\w.:-]{1,40})["']/.exec(head)?.[1];
  try {
    return new TextDecoder(label ?? "utf-8");
  } catch {
    return new TextDecoder("utf-8");
  }
}
