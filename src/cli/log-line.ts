import type { LogLevel } from "../shared/logger.ts";
import type { Ink, Line } from "./print.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const satisfies readonly LogLevel[];
const INK_OF_LEVEL = {
  debug: "dim",
  info: "blue",
  warn: "yellow",
  error: "red",
} as const satisfies Record<LogLevel, Ink>;
const FIELD_CHARACTERS_MAX = 200;
const KNOWN_FIELDS: ReadonlySet<string> = new Set(["at", "level", "process", "message"]);

/** A line of a process's log for people: `20:14:03 warn  build  Image could not be pulled  err=…` */
export function humanLogLine(
  { process, line }: { readonly process: string; readonly line: string },
  least: LogLevel,
): Line | undefined {
  const fields = parse(line);
  if (fields === undefined) return plainLine(process, line, least);
  const level = LEVELS.find((known) => known === fields["level"]) ?? "info";
  if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return undefined;
  const time = typeof fields["at"] === "string" ? fields["at"].slice(11, 19) : "";
  const rest = Object.entries(fields)
    .filter(([name]) => !KNOWN_FIELDS.has(name))
    .map(([name, value]) => `${name}=${shorten(value)}`);
  return [
    { ink: "dim", text: time },
    " ",
    { ink: INK_OF_LEVEL[level], text: level.padEnd(6) },
    process.padEnd(9),
    `${shorten(fields["message"] ?? "")}  `,
    { ink: "dim", text: rest.join(" ") },
  ];
}

/** Redis, and a process that fell over, say things in their own form. */
function plainLine(process: string, line: string, least: LogLevel): Line | undefined {
  if (process === "redis" && least !== "debug") return undefined;
  // Each connection of the queues' library says it; the server has said it once in better words.
  if (line.startsWith("IMPORTANT! Eviction policy") && least !== "debug") return undefined;
  return [{ ink: "dim", text: `${process.padEnd(9)}${line}` }];
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined; // Cut by a crash.
  }
}

function shorten(value: unknown): string {
  const text =
    typeof value === "object" && value !== null && "message" in value
      ? String(value.message)
      : typeof value === "string"
        ? value
        : JSON.stringify(value);
  return text.slice(0, FIELD_CHARACTERS_MAX);
}
