const HEADER_BYTES = 8;

/** The engine puts a header of 8 bytes before each piece of output: the stream, then its length. */
export async function* readFrames(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32BE(4);
      if (rest.length < end) break;
      yield rest.subarray(HEADER_BYTES, end);
      rest = rest.subarray(end);
    }
  }
}
