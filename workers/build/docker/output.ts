import { setTimeout as sleep } from "node:timers/promises";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { OnOutput } from "../engine.ts";
import { frameReader } from "./frames.ts";
import type { Piece } from "./frames.ts";

/** Takes one piece of output after the other. */
export type OnPiece = (piece: Piece) => void | Promise<void>;

export function piecesTo(container: string, onOutput: OnOutput): OnPiece {
  return ({ stream, bytes, stdout, stderr }) =>
    onOutput(bytes, { container, stream, stdout, stderr });
}

const HEAD_BYTES_MAX = 256;

/** The output of one run: handed over as fast as it is taken, and timed. */
export class DockerOutput {
  #heardAt = performance.now();
  #isHandingOver = false;
  #head = Buffer.alloc(0);
  #totalBytes = 0;

  /** While `onPiece` is busy nothing is read, so that the engine holds the container back. */
  async handOver(
    output: NodeJS.ReadableStream,
    onPiece: OnPiece,
    isNote?: (text: string) => boolean,
  ): Promise<void> {
    const frames = frameReader(isNote);
    for await (const chunk of output) {
      for (const piece of frames.read(chunk as Buffer)) await this.hand(piece, onPiece);
    }
    if (!frames.isWhole()) throw new InfraFault("ENGINE_FAILED", "Output was cut off mid-frame.");
  }

  async hand(piece: Piece, onPiece: OnPiece): Promise<void> {
    this.#note(piece.bytes);
    this.#isHandingOver = true;
    await onPiece(piece);
    this.#isHandingOver = false;
    this.listen();
  }

  /** Counts silence from now. */
  listen(): void {
    this.#heardAt = performance.now();
  }

  /** Resolves when nothing was heard for so long; what waits for our own reader is not silent. */
  async silence(ms: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const quietMs = this.#isHandingOver ? 0 : performance.now() - this.#heardAt;
      if (quietMs >= ms) return;
      await sleep(Math.ceil(ms - quietMs), undefined, { signal });
    }
  }

  /** All of the output if it was short. */
  shortText(): string | undefined {
    return this.#totalBytes < HEAD_BYTES_MAX ? this.#head.toString() : undefined;
  }

  #note(bytes: Buffer): void {
    this.#totalBytes += bytes.length;
    if (this.#head.length >= HEAD_BYTES_MAX) return;
    this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD_BYTES_MAX)]);
  }
}
