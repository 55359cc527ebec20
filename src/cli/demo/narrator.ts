import { EngineError } from "../engine-http.ts";
import type { Line, Printer } from "../print.ts";
import { formatMs } from "../show-build.ts";
import { StartFailed } from "../supervisor.ts";

const NAME_COLUMNS = 13;
const EVIDENCE_LINES_MAX = 30;

/** One of the demo's lines is not true. */
export class DemoFailed extends Error {
  override readonly name = "DemoFailed";
  readonly evidence: string;

  constructor(message: string, evidence = "") {
    super(message);
    this.evidence = evidence;
  }
}

/** The faults that end a demo without being a bug of the demo itself; undefined for others. */
export function asDemoFailed(err: unknown): DemoFailed | undefined {
  if (err instanceof DemoFailed) return err;
  if (err instanceof StartFailed) return new DemoFailed("Tatara did not start", err.message);
  if (err instanceof EngineError) return new DemoFailed(err.message);
  // A command of ours, such as git, that ended non-zero.
  const stderr = err instanceof Error && "stderr" in err ? err.stderr : undefined;
  return typeof stderr === "string" ? new DemoFailed("git failed", stderr) : undefined;
}

/** Says each thing once it is true, and remembers where the time went. */
export interface Narrator {
  say(...line: Line): void;
  ok(name: string, text: string): void;
  fail(err: DemoFailed): void;
  /** Runs a part of the demo and counts its time. */
  timed<T>(name: string, part: () => Promise<T>): Promise<T>;
  times(): readonly { readonly name: string; readonly ms: number }[];
}

export function createNarrator(printer: Printer, isJson: boolean): Narrator {
  const spans: { name: string; ms: number }[] = [];
  const say = (...line: Line): void =>
    isJson ? printer.progress(...line) : printer.answer(...line);
  return {
    say,
    ok: (name, text) =>
      say("  ", { ink: "green", text: "ok" }, `    ${name.padEnd(NAME_COLUMNS)}${text}`),
    fail: ({ message, evidence }) => {
      printer.complain("  ", { ink: "red", text: "FAIL" }, `  ${message}`);
      const lines = evidence.split("\n").filter((line) => line.trim() !== "");
      for (const line of lines.slice(-EVIDENCE_LINES_MAX)) printer.complain("  | ", line);
    },
    timed: async (name, part) => {
      const startedAt = performance.now();
      try {
        return await part();
      } finally {
        spans.push({ name, ms: Math.round(performance.now() - startedAt) });
      }
    },
    times: () => spans,
  };
}

/** `Time   12s: start 1.4s, git push 0.2s, build 5.1s, dnf install 4.2s, status 0.1s` */
export function timeLine(times: readonly { readonly name: string; readonly ms: number }[]): string {
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  return `${formatMs(total)}: ${times.map(({ name, ms }) => `${name} ${formatMs(ms)}`).join(", ")}`;
}
