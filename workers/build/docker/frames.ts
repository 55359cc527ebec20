const HEADER_BYTES = 8;
const EMPTY = Buffer.alloc(0);
const STDERR = 2;
/** A note of ours is one short write, so it is one frame. */
const NOTE_BYTES_MAX = 64;

/**
 * Takes the engine's framing off the output of a container without a terminal: each frame is a byte
 * for the stream, three zeros, the length (big endian), then the bytes. Both streams become one, in
 * the order of arrival. A short frame of the error stream that `isNote` takes is left out: a step's
 * command writes to the other stream only.
 */
export function frameReader(isNote: (text: string) => boolean = () => false) {
  let header: Buffer = EMPTY;
  let missing = 0;
  /** Collects a frame that may be a note; undefined between such frames. */
  let held: Buffer[] | undefined;

  const endOfHeld = (): Buffer[] => {
    const body = Buffer.concat(held ?? []);
    held = undefined;
    return isNote(body.toString()) ? [] : [body];
  };
  const onBody = (part: Buffer): Buffer[] => {
    missing -= part.length;
    if (!held) return [part];
    held.push(part);
    return missing > 0 ? [] : endOfHeld();
  };

  return {
    push(chunk: Buffer): Buffer {
      const parts: Buffer[] = [];
      let rest = chunk;
      while (rest.length > 0) {
        if (missing > 0) {
          const part = rest.subarray(0, missing);
          parts.push(...onBody(part));
          rest = rest.subarray(part.length);
          continue;
        }
        const wanted = HEADER_BYTES - header.length;
        const part = rest.subarray(0, wanted);
        header = header.length === 0 ? part : Buffer.concat([header, part]);
        rest = rest.subarray(wanted);
        if (header.length < HEADER_BYTES) break;
        missing = header.readUInt32BE(4);
        if (header[0] === STDERR && missing > 0 && missing <= NOTE_BYTES_MAX) held = [];
        header = EMPTY;
      }
      return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    },
    /** True between two frames: a stream that ends elsewhere was cut off. */
    isWhole: () => header.length === 0 && missing === 0,
  };
}
