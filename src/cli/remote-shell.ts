import type { Duplex } from "node:stream";
import { dataFrames, frameReader, jsonFrame } from "../shared/shell-frames.ts";
import type { Frame } from "../shared/shell-frames.ts";
import { errorFrame, exitFrame } from "../shared/shell-messages.ts";
import type { TerminalSize } from "../shared/shell-messages.ts";
import { openUpgrade, UpgradeRefused } from "../shared/upgrade.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import type { RawTerminal } from "./raw-terminal.ts";

export interface ShellWish {
  readonly url: string;
  readonly token: string;
  readonly buildId: string;
  readonly step: string;
  readonly job: string | undefined;
  /** Undefined: an interactive shell. */
  readonly command: string | undefined;
}

/** Connects to the kept container of a step. Every failure is a `CommandError`. */
export async function openRemoteShell(
  { url, token, buildId, step, job, command }: ShellWish,
  size: TerminalSize,
  signal: AbortSignal,
): Promise<Duplex> {
  const query = new URLSearchParams({
    step,
    columns: String(size.columns),
    rows: String(size.rows),
    ...(job === undefined ? {} : { job }),
    ...(command === undefined ? {} : { command }),
  });
  const address = `${url}/api/builds/${encodeURIComponent(buildId)}/shell?${query.toString()}`;
  try {
    return await openUpgrade(address, { token, signal });
  } catch (err) {
    signal.throwIfAborted();
    if (err instanceof UpgradeRefused) throw refused(err);
    const why = err instanceof Error ? err.message : String(err);
    throw new CommandError(EXIT.unreachable, `No server answers at ${url} (${why}).`);
  }
}

function refused({ status, body }: UpgradeRefused): CommandError {
  const { error = `The server answered ${status}.`, hint } = parsed(body);
  if (status === 401 || status === 403 || status === 404) {
    return new CommandError(EXIT.notFound, error, hint);
  }
  if (status === 504) return new CommandError(EXIT.unreachable, error, hint);
  return new CommandError(status >= 500 ? EXIT.errored : EXIT.failed, error, hint);
}

function parsed(body: string): { readonly error?: string; readonly hint?: string } {
  try {
    return JSON.parse(body) as { error?: string; hint?: string };
  } catch {
    return {}; // Something between us and the server has answered.
  }
}

/** Joins the terminal and the shell until the shell ends; its exit status. */
export async function useTerminal(
  connection: Duplex,
  terminal: RawTerminal,
  signal: AbortSignal,
): Promise<number> {
  const opened = terminal.open({
    onInput: (bytes) => void connection.write(dataFrames(bytes)),
    onResize: (size) => void connection.write(jsonFrame("resize", size)),
  });
  try {
    return await untilExit(connection, (bytes) => terminal.write(bytes), signal);
  } finally {
    opened.close();
  }
}

/** What the shell prints, until it ends; its exit status. */
export async function untilExit(
  connection: Duplex,
  onOutput: (bytes: Buffer) => void,
  signal: AbortSignal,
): Promise<number> {
  const reader = frameReader();
  const stop = (): void => void connection.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of connection) {
      for (const frame of reader.push(chunk as Buffer)) {
        if (frame.kind === "data") onOutput(frame.payload);
        const code = codeOf(frame);
        if (code !== undefined) return code;
      }
    }
  } catch (err) {
    signal.throwIfAborted();
    if (err instanceof CommandError) throw err;
  } finally {
    signal.removeEventListener("abort", stop);
    connection.destroy();
  }
  signal.throwIfAborted();
  throw new CommandError(EXIT.unreachable, "The connection to the shell broke off.");
}

function codeOf({ kind, payload }: Frame): number | undefined {
  if (kind === "exit") return exitFrame.parse(JSON.parse(payload.toString())).code;
  if (kind !== "error") return undefined;
  const { message } = errorFrame.parse(JSON.parse(payload.toString()));
  throw new CommandError(EXIT.errored, message);
}
