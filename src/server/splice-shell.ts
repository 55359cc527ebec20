import type { Duplex } from "node:stream";
import { exitFrame } from "../shared/shell-messages.ts";
import { BadFrame, frameReader, jsonFrame } from "../shared/shell-frames.ts";

const SESSION_MS_MAX = 30 * 60_000;
const IDLE_MS_MAX = 10 * 60_000;

export interface ShellLimits {
  readonly sessionMs: number;
  readonly idleMs: number;
}

/** How a shell ended, for the record. */
export interface ShellEnd {
  /** Null: it was cut off. */
  readonly exitCode: number | null;
  readonly reason: string | null;
}

/** Joins a person's connection and a shell's, and watches both until one of them ends. */
export async function spliceShell(
  { person, shell }: { readonly person: Duplex; readonly shell: Duplex },
  stopping: AbortSignal,
  { sessionMs, idleMs }: ShellLimits = { sessionMs: SESSION_MS_MAX, idleMs: IDLE_MS_MAX },
): Promise<ShellEnd> {
  const reader = frameReader();
  const { promise, resolve } = Promise.withResolvers<ShellEnd>();
  let exitCode: number | null = null;

  const cutOff = (reason: string): void => {
    // Within a frame nothing else can be said.
    if (reader.isBetween()) person.write(jsonFrame("error", { message: `Closed: ${reason}.` }));
    resolve({ exitCode: null, reason });
  };
  const onStop = (): void => cutOff("the server stops");
  let idle = setTimeout(() => undefined, 0);
  const touch = (): void => {
    clearTimeout(idle);
    idle = setTimeout(() => cutOff(`nothing happened for ${minutes(idleMs)}`), idleMs);
  };
  const limit = setTimeout(() => cutOff(`a shell may last ${minutes(sessionMs)}`), sessionMs);
  touch();
  shell.on("data", (chunk: Buffer) => {
    touch();
    try {
      for (const { kind, payload } of reader.push(chunk)) {
        if (kind === "exit") exitCode = exitFrame.parse(JSON.parse(payload.toString())).code;
      }
    } catch (err) {
      cutOff(err instanceof BadFrame ? err.message : "the worker said something odd");
    }
  });
  person.on("data", touch);
  const over = (why: string) => (): void => {
    resolve({ exitCode, reason: exitCode === null ? why : null });
  };
  // Whoever ends first is who left: the other side's end follows from it.
  for (const event of ["end", "close"] as const) {
    shell.once(event, over("it broke off"));
    person.once(event, over("left"));
  }
  shell.on("error", () => undefined);
  stopping.addEventListener("abort", onStop, { once: true });
  if (stopping.aborted) onStop();

  person.pipe(shell);
  shell.pipe(person);
  try {
    return await promise;
  } finally {
    clearTimeout(idle);
    clearTimeout(limit);
    stopping.removeEventListener("abort", onStop);
    person.end();
    shell.end();
  }
}

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} minutes`;
}
