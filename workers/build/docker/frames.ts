const HEADER_BYTES = 8;
const EMPTY = Buffer.alloc(0);
const STDERR = 2;
/** A note of ours is one short write, so it is one frame. */
const NOTE_BYTES_MAX = 64;

/** A part of one stream, and how much of each was taken by then. */
export interface Piece {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Buffer;
  /** Bytes of each stream that were taken, this part and notes included. */
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * Takes the engine's framing off the output of a container without a terminal: each frame is a byte
 * for the stream, three zeros, the length (big endian), then the bytes. The streams come in the order
 * of arrival. A short frame of the error stream that `isNote` takes is left out: a step's command
 * writes to the other stream only.
 */
export function frameReader(isNote: (text: string) => boolean = () => false) {
  let header: Buffer = EMPTY;
  let missing = 0;
  let stream: Piece["stream"] = "stdout";
  /** Collects a frame that may be a note; undefined between such frames. */
  let held: Buffer[] | undefined;
  const taken = { stdout: 0, stderr: 0 };

  const pieceOf = (bytes: Buffer): Piece => {
    taken[stream] += bytes.length;
    return { stream, bytes, ...taken };
  };
  const endOfHeld = (): Piece[] => {
    const body = Buffer.concat(held ?? []);
    held = undefined;
    const piece = pieceOf(body);
    return isNote(body.toString()) ? [] : [piece];
  };
  const onBody = (part: Buffer): Piece[] => {
    missing -= part.length;
    if (!held) return [pieceOf(part)];
    held.push(part);
    return missing > 0 ? [] : endOfHeld();
  };
  const read = (chunk: Buffer): readonly Piece[] => {
    const pieces: Piece[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (missing > 0) {
        const part = rest.subarray(0, missing);
        pieces.push(...onBody(part));
        rest = rest.subarray(part.length);
        continue;
      }
      const wanted = HEADER_BYTES - header.length;
      const part = rest.subarray(0, wanted);
      header = header.length === 0 ? part : Buffer.concat([header, part]);
      rest = rest.subarray(wanted);
      if (header.length < HEADER_BYTES) break;
      missing = header.readUInt32BE(4);
      stream = header[0] === STDERR ? "stderr" : "stdout";
      if (stream === "stderr" && missing > 0 && missing <= NOTE_BYTES_MAX) held = [];
      header = EMPTY;
    }
    return joined(pieces);
  };

  return {
    read,
    /** Both streams as one. */
    push: (chunk: Buffer): Buffer => {
      const [first, ...others] = read(chunk).map(({ bytes }) => bytes);
      if (first === undefined) return EMPTY;
      return others.length === 0 ? first : Buffer.concat([first, ...others]);
    },
    /** True between two frames: a stream that ends elsewhere was cut off. */
    isWhole: () => header.length === 0 && missing === 0,
  };
}

/** Parts of one stream that follow each other are one: whoever takes them does so less often. */
export function joined(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.length < 2) return pieces;
  const groups: [Piece, ...Piece[]][] = [];
  for (const piece of pieces) {
    const last = groups.at(-1);
    if (last?.[0].stream === piece.stream) last.push(piece);
    else groups.push([piece]);
  }
  return groups.map((group) => {
    const last = group.at(-1) ?? group[0];
    return group.length === 1
      ? last
      : { ...last, bytes: Buffer.concat(group.map(({ bytes }) => bytes)) };
  });
}
