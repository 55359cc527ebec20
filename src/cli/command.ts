import type { ParseArgsOptionsConfig } from "node:util";
import type { Env } from "../shared/config.ts";
import type { Printer } from "./print.ts";
import type { RawTerminal } from "./raw-terminal.ts";

/** One thing that `tatara` can do. */
export interface Command {
  readonly name: string;
  /** What follows the name: `[build] [step]`. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Whole lines as they are typed, each with what it does. */
  readonly examples: readonly (readonly [string, string])[];
  readonly options?: Readonly<Record<string, CommandOption>>;
  readonly positionalsMax: number;
  /** An `ExitCode`; of a program that ran elsewhere for the person, that program's own status. */
  run(context: CommandContext): Promise<number>;
}

/** A command by its name; what it needs is loaded when somebody asks for it. */
export interface CommandEntry {
  readonly name: string;
  load(): Promise<Command>;
}

export type CommandOption = ParseArgsOptionsConfig[string] & {
  readonly help: string;
  /** How the value is called in the help: `--limit <count>`. */
  readonly value?: string;
};

export interface CommandContext {
  readonly positionals: readonly string[];
  readonly flag: (name: string) => boolean;
  readonly text: (name: string) => string | undefined;
  /** Of an option that may be given several times. */
  readonly texts: (name: string) => readonly string[];
  readonly isJson: boolean;
  /** `--json=a,b`: only these fields. */
  readonly fields: readonly string[] | undefined;
  readonly env: Env;
  readonly cwd: string;
  readonly printer: Printer;
  /** Asks the person at the terminal; undefined where there is none, and with `--json`. */
  readonly ask: Ask | undefined;
  /** Undefined where there is none. */
  readonly terminal: RawTerminal | undefined;
  /** All of stdin. */
  readonly input: ((signal: AbortSignal) => Promise<string>) | undefined;
  /** Aborted by Ctrl-C and SIGTERM with `Interrupted`, at the end of `--timeout` with a TimeoutError. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** What was typed, without the end of the line; empty at the end of the input. */
export type Ask = (question: string, signal: AbortSignal) => Promise<string>;

/** Ctrl-C, or SIGTERM. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Waits for Ctrl-C; the end of `--timeout` is thrown. */
export async function untilInterrupted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
  if (!(signal.reason instanceof Interrupted)) signal.throwIfAborted();
}

export const COMMON_OPTIONS = {
  json: { type: "boolean", help: "answer as JSON; --json=number,state picks fields" },
  quiet: { type: "boolean", short: "q", help: "no progress on stderr" },
  timeout: {
    type: "string",
    value: "duration",
    help: "give up after 90s, 10m, 2h (exit status 124)",
  },
  "no-color": { type: "boolean", help: "no colours" },
  help: { type: "boolean", short: "h", help: "this text" },
} as const satisfies Record<string, CommandOption>;

export const REPO_OPTION = {
  type: "string",
  value: "owner/name",
  help: "the repo, if it is not that of the current folder",
} as const satisfies CommandOption;
