import { setTimeout as sleep } from "node:timers/promises";
import { InfraFault } from "../../../src/domain/faults.ts";
import { frameReader } from "./frames.ts";

export type OnOutput = (chunk: Buffer) => void | Promise<void>;

const HEAD_BYTES_MAX = 256;

/** The output of one run: handed over as fast as it is taken, and timed. */
export class DockerOutput {
  #heardAt = performance.now();
  #isHandingOver = false;
  #head = Buffer.alloc(0);
  #totalBytes = 0;

  /** While `onOutput` is busy nothing is read, so that the engine holds the container back. */
  async handOver(
    output: NodeJS.ReadableStream,
    onOutput: OnOutput,
    isNote?: (text: string) => boolean,
  ): Promise<void> {
    const frames = frameReader(isNote);
    for await (const chunk of output) {
      const bytes = frames.push(chunk as Buffer);
      if (bytes.length === 0) continue;
      this.#note(bytes);
      this.#isHandingOver = true;
      await onOutput(bytes);
      this.#isHandingOver = false;
      this.listen();
    }
    if (!frames.isWhole()) throw new InfraFault("ENGINE_FAILED", "Output was cut off mid-frame.");
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
