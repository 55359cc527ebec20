const INPUT_BYTES_MAX = 1024 * 1024;

/** All of stdin as text, up to a limit. */
export async function readStdin(signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of process.stdin) {
      const piece = Buffer.from(chunk as Uint8Array | string);
      bytes += piece.length;
      if (bytes > INPUT_BYTES_MAX) break;
      chunks.push(piece);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
  return Buffer.concat(chunks).toString("utf8");
}
