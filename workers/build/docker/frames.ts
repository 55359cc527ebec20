const HEADER_BYTES = 8;
const EMPTY = Buffer.alloc(0);

/**
 * Takes the engine's framing off the output of a container without a terminal: each frame is a byte
 * for the stream, three zeros, the length (big endian), then the bytes. Both streams become one, in
 * the order of arrival.
 */
export function frameReader() {
  let header: Buffer = EMPTY;
  let missing = 0;

  return {
    push(chunk: Buffer): Buffer {
      const parts: Buffer[] = [];
      let rest = chunk;
      while (rest.length > 0) {
        if (missing > 0) {
          const part = rest.subarray(0, missing);
          parts.push(part);
          missing -= part.length;
          rest = rest.subarray(part.length);
          continue;
        }
        const wanted = HEADER_BYTES - header.length;
        const part = rest.subarray(0, wanted);
        header = header.length === 0 ? part : Buffer.concat([header, part]);
        rest = rest.subarray(wanted);
        if (header.length < HEADER_BYTES) break;
        missing = header.readUInt32BE(4);
        header = EMPTY;
      }
      return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    },
    /** True between two frames: a stream that ends elsewhere was cut off. */
    isWhole: () => header.length === 0 && missing === 0,
  };
}
