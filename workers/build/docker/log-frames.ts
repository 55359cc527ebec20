import { joined } from "./frames.ts";
import type { Piece } from "./frames.ts";

const HEADER_BYTES = 8;
const STDERR = 2;
/** The engine's log driver cuts longer lines; the last part of such a line lost its newline. */
const PART_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const EMPTY = Buffer.alloc(0);

/**
 * Takes the framing off what the engine's log driver kept, one frame per line, and makes of it what the
 * container printed: a frame that is shorter than a part of a line and ends without a newline had one,
 * if anything follows. `end` closes what is still open then: nobody can know, and most lines have one.
 * Each frame begins with its time and a space. Nobody needs the time; but without it the engine leaves
 * out empty frames, and these tell a long line that ended with its last part from one that goes on.
 */
export function logFrames(isNote: (text: string) => boolean = () => false) {
  let rest: Buffer = EMPTY;
  const taken = { stdout: 0, stderr: 0 };
  /** What the last frame of a stream was: nothing is known to follow a line that ends so. */
  const open = { stdout: false, stderr: false };
  const inParts = { stdout: false, stderr: false };
  /** It was the last part of a long line. */
  const endsParts = { stdout: false, stderr: false };

  const pieceOf = (stream: Piece["stream"], bytes: Buffer): Piece => {
    taken[stream] += bytes.length;
    return { stream, bytes, ...taken };
  };
  const frame = (stream: Piece["stream"], body: Buffer): Piece[] => {
    const isPart = body.at(-1) !== NEWLINE;
    // The last part of a long line has no newline either: with one it is a line of its own.
    const isCut = open[stream] || (inParts[stream] && !isPart);
    const pieces = isCut ? [pieceOf(stream, Buffer.from("\n"))] : [];
    open[stream] = isPart && body.length < PART_BYTES;
    endsParts[stream] = open[stream] && inParts[stream];
    inParts[stream] = isPart && body.length >= PART_BYTES;
    if (body.length === 0) return pieces;
    const piece = pieceOf(stream, body);
    return stream === "stderr" && isNote(body.toString()) ? pieces : [...pieces, piece];
  };

  return {
    read: (chunk: Buffer): readonly Piece[] => {
      const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const pieces: Piece[] = [];
      let at = 0;
      while (all.length - at >= HEADER_BYTES) {
        const end = at + HEADER_BYTES + all.readUInt32BE(at + 4);
        if (end > all.length) break;
        const stream = all[at] === STDERR ? "stderr" : "stdout";
        const body = all.subarray(at + HEADER_BYTES, end);
        pieces.push(...frame(stream, body.subarray(body.indexOf(SPACE) + 1)));
        at = end;
      }
      rest = Buffer.from(all.subarray(at));
      return joined(pieces);
    },
    /** Nothing follows: a long line is closed. */
    end: (): readonly Piece[] => {
      const streams = ["stdout", "stderr"] as const;
      return streams.flatMap((stream) =>
        endsParts[stream] ? [pieceOf(stream, Buffer.from("\n"))] : [],
      );
    },
    isWhole: () => rest.length === 0,
  };
}
