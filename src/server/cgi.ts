import { once } from "node:events";
import type { Readable } from "node:stream";

const HEAD_BYTES_MAX = 16 * 1024;

export interface CgiHead {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** What was read beyond the head: the beginning of the body. */
  readonly rest: Buffer;
}

/** Reads a CGI program's head (RFC 3875, section 6). Throws when there is none. */
export async function readCgiHead(output: Readable): Promise<CgiHead> {
  let seen = Buffer.alloc(0);
  for (;;) {
    const chunk = output.read() as Buffer | null;
    if (chunk !== null) seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf("\r\n\r\n");
    if (end >= 0)
      return parseHead(seen.subarray(0, end).toString("latin1"), seen.subarray(end + 4));
    if (seen.length > HEAD_BYTES_MAX) throw new Error("The CGI program's head is too long.");
    if (output.readableEnded || output.destroyed) {
      throw new Error("The CGI program ended before its head was whole.");
    }
    if (chunk === null) await Promise.race([once(output, "readable"), once(output, "end")]);
  }
}

function parseHead(text: string, rest: Buffer): CgiHead {
  let status = 200;
  const headers: [string, string][] = [];
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
    else headers.push([name, value]);
  }
  return { status, headers, rest };
}
