import { writeSync } from "node:fs";

export type LogFields = Readonly<Record<string, unknown>>;

/** The operator's log: JSON lines on stderr. Messages are constant sentences, variables are fields. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Logger;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];

export function createLogger(options: {
  readonly process: string;
  readonly level: LogLevel;
  readonly now: () => number;
  readonly write?: (line: string) => void;
}): Logger {
  const write = options.write ?? writeToStderr;
  const least = LEVELS.indexOf(options.level);

  const at = (bound: LogFields): Logger => {
    const log = (level: LogLevel) => (fields: LogFields, message: string) => {
      if (LEVELS.indexOf(level) < least) return;
      const line = { at: new Date(options.now()).toISOString(), level, process: options.process };
      write(`${JSON.stringify({ ...line, message, ...bound, ...fields }, plainErrors)}\n`);
    };
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
      child: (fields) => at({ ...bound, ...fields }),
    };
  };
  return at({});
}

/**
 * Straight to the descriptor: a stream that failed once is closed for good, and its error would end
 * the process. The disk with the operator's log may be full; work goes on without the line.
 */
function writeToStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch (err) {
    // A pipe whose reader is slow: the stream waits for it.
    if ((err as NodeJS.ErrnoException).code === "EAGAIN") process.stderr.write(line);
  }
}

/** Errors have no enumerable fields, so JSON would show them as `{}`. */
function plainErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  const code: unknown = (value as { code?: unknown }).code;
  return { name, message, code, stack, cause };
}
