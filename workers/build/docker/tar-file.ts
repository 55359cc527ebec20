const BLOCK_BYTES = 512;
const FILE_BYTES_MAX = 1024 * 1024;

/** Keeps the text of one file of a tar whose bytes it is shown. A name over 100 bytes is not found. */
export function tarFileReader(path: string) {
  let block = Buffer.alloc(0);
  let bodyBytes = 0;
  let wanted: { text: Buffer[]; bytes: number } | undefined;
  let kept: string | undefined;

  const onHeader = (header: Buffer) => {
    const bytes = Number.parseInt(header.toString("latin1", 124, 136), 8) || 0;
    const name = header.toString("utf8", 0, 100).replace(/\0.*$/s, "");
    const isWanted = name.replace(/^\.\//, "") === path.replace(/^\.\//, "");
    bodyBytes = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
    wanted = isWanted && bytes <= FILE_BYTES_MAX ? { text: [], bytes } : undefined;
  };
  const onBody = (part: Buffer) => {
    bodyBytes -= part.length;
    wanted?.text.push(part);
    if (bodyBytes > 0 || !wanted) return;
    kept = Buffer.concat(wanted.text).toString("utf8", 0, wanted.bytes);
    wanted = undefined;
  };
  const look = (chunk: Buffer) => {
    let rest = chunk;
    while (rest.length > 0) {
      const part = rest.subarray(0, bodyBytes > 0 ? bodyBytes : BLOCK_BYTES - block.length);
      rest = rest.subarray(part.length);
      if (bodyBytes > 0) {
        onBody(part);
        continue;
      }
      block = Buffer.concat([block, part]);
      if (block.length < BLOCK_BYTES) break;
      onHeader(block);
      block = Buffer.alloc(0);
    }
  };
  return { look, text: () => kept };
}
