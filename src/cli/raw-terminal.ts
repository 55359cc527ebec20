import type { TerminalSize } from "../shared/shell-messages.ts";

/** The person's terminal, handed over whole to a shell elsewhere. */
export interface RawTerminal {
  size(): TerminalSize;
  /** Every key as it is pressed, Ctrl-C too, until `close`. */
  open(on: {
    readonly onInput: (bytes: Buffer) => void;
    readonly onResize: (size: TerminalSize) => void;
  }): { close(): void };
  /** Bytes as they are: what they mean is between the terminal and the shell. */
  write(bytes: Uint8Array): void;
}

const SIZE_UNKNOWN: TerminalSize = { columns: 80, rows: 24 };

/** Undefined where stdin and stdout are no terminal. */
export function rawTerminal({
  stdin,
  stdout,
}: {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}): RawTerminal | undefined {
  if (!stdin.isTTY || !stdout.isTTY) return undefined;
  const size = (): TerminalSize => ({
    columns: stdout.columns || SIZE_UNKNOWN.columns,
    rows: stdout.rows || SIZE_UNKNOWN.rows,
  });
  return {
    size,
    open: ({ onInput, onResize }) => {
      const resized = (): void => onResize(size());
      stdin.setRawMode(true);
      stdin.on("data", onInput);
      stdin.resume();
      stdout.on("resize", resized);
      return {
        close: () => {
          stdout.off("resize", resized);
          stdin.off("data", onInput);
          stdin.pause();
          stdin.setRawMode(false);
        },
      };
    },
    write: (bytes) => void stdout.write(bytes),
  };
}
