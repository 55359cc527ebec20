import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { OutputStart } from "../engine.ts";
import { HEAD_BYTES, headOf } from "../log/output-cursor.ts";
import { DEADLINE_MS, call } from "./client.ts";
import type { Piece } from "./frames.ts";
import { logFrames } from "./log-frames.ts";
import type { OnPiece } from "./output.ts";

const PAUSE_MIN_MS = 300;
const PAUSE_MAX_MS = 60_000;
/** Each look reads all that there is, so it may take this part of the time at most. */
const COST_MAX = 0.2;
const GAP =
  "[tatara: the engine has dropped the oldest output of this step while its worker was away: something may be missing here]\n";

const START: OutputStart = { stdout: 0, stderr: 0, head: { bytes: 0, sha256: "" } };

export interface FollowedLogs {
  readonly from: OutputStart | undefined;
  readonly isNote: (text: string) => boolean;
  readonly onPiece: OnPiece;
  /** Something was heard, though it may be known already. */
  readonly onHeard: () => void;
  /** Settles when the container has ended. */
  readonly exited: Promise<void>;
}

/**
 * Hands over what a container prints as its log driver keeps it, again and again until it has ended,
 * and then once more. The engine's own `follow` loses output without a word, and attaching to a
 * container that runs loses some at the seam; what is read so is an exact prefix each time.
 */
export async function followLogs(
  container: Dockerode.Container,
  { from = START, isNote, onPiece, onHeard, exited }: FollowedLogs,
  signal: AbortSignal,
): Promise<void> {
  let isOver = false;
  const over = exited.finally(() => (isOver = true));
  over.catch(() => undefined);
  const position = { stdout: from.stdout, stderr: from.stderr };
  const hand = async (piece: Piece): Promise<void> => {
    const fresh = freshPart(piece, position[piece.stream]);
    if (fresh.length === 0) return;
    position[piece.stream] = piece[piece.stream];
    await onPiece({ stream: piece.stream, bytes: fresh, ...position });
  };
  const take = async (pieces: readonly (Piece | "changed")[]): Promise<void> => {
    for (const piece of pieces) {
      if (piece !== "changed") {
        await hand(piece);
        continue;
      }
      // What is left of it can be told from what was taken no more: all of it is shown.
      [position.stdout, position.stderr] = [0, 0];
      await onPiece({ stream: "stdout", bytes: Buffer.from(GAP), ...position });
    }
  };
  let { head: known } = from;
  for (;;) {
    const isLast = isOver;
    const startedMs = performance.now();
    const frames = logFrames(isNote);
    const head = headCheck(known);
    for await (const chunk of await openLogs(container, signal)) {
      onHeard();
      for (const piece of frames.read(chunk as Buffer)) await take(head.judge(piece));
    }
    if (isLast) await take(head.end());
    known = head.seen() ?? known;
    if (!frames.isWhole()) {
      throw new InfraFault("ENGINE_FAILED", "The engine's log of a container broke off.");
    }
    if (isLast) {
      for (const piece of frames.end()) await hand(piece);
      return;
    }
    const pauseMs = (performance.now() - startedMs) / COST_MAX;
    const waiting = sleep(Math.min(Math.max(pauseMs, PAUSE_MIN_MS), PAUSE_MAX_MS), undefined, {
      signal,
    });
    await Promise.race([over.catch(() => undefined), waiting]);
    signal.throwIfAborted();
  }
}

/** What of a piece comes behind the bytes that were taken. */
function freshPart(piece: Piece, takenBytes: number): Buffer {
  const { bytes } = piece;
  const start = piece[piece.stream] - bytes.length;
  return bytes.subarray(Math.min(bytes.length, Math.max(0, takenBytes - start)));
}

/**
 * Holds pieces back until the first bytes of stdout are known to be those that were seen before. An
 * engine may drop the oldest output while it is followed, too.
 */
function headCheck(known: OutputStart["head"]) {
  let held: Piece[] = [];
  let first = Buffer.alloc(0);
  let isDecided = known.bytes === 0;
  return {
    judge: (piece: Piece): readonly (Piece | "changed")[] => {
      if (piece.stream === "stdout" && first.length < HEAD_BYTES) {
        first = Buffer.concat([first, piece.bytes.subarray(0, HEAD_BYTES - first.length)]);
      }
      if (isDecided) return [piece];
      held.push(piece);
      if (first.length < known.bytes) return [];
      isDecided = true;
      const isSame = headOf(first.subarray(0, known.bytes)).sha256 === known.sha256;
      return isSame ? held : ["changed", ...held];
    },
    /** By what the next look knows it again; undefined: there were fewer bytes than before. */
    seen: (): OutputStart["head"] | undefined => (isDecided ? headOf(first) : undefined),
    /** There are fewer bytes than were taken. */
    end: (): readonly (Piece | "changed")[] => (isDecided ? [] : ["changed", ...held]),
  };
}

/** The library would gather all of it in memory. */
async function openLogs(
  container: Dockerode.Container,
  abortSignal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const modem: Modem = container.modem;
  const request = {
    path: `/containers/${container.id}/logs?`,
    method: "GET",
    isStream: true,
    abortSignal,
    options: { follow: false, stdout: true, stderr: true, timestamps: true },
    statusCodes: { 200: true, 404: "no such container", 500: "server error" },
  };
  const options = {
    doing: "read a container's log",
    deadlineMs: DEADLINE_MS.heavy,
    signal: abortSignal,
  };
  return await call(options, () => {
    const answer = Promise.withResolvers<NodeJS.ReadableStream>();
    modem.dial(request, (err, stream) => (err ? answer.reject(err) : answer.resolve(stream)));
    return answer.promise;
  });
}

interface Modem {
  dial(request: object, done: (err: unknown, stream: NodeJS.ReadableStream) => void): void;
}
