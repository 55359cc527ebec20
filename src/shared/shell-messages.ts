import { z } from "zod";
import { id, stepName } from "./message-parts.ts";

const columns = z.number().int().min(1).max(10_000);

export const terminalSize = z.object({ columns, rows: columns });
export type TerminalSize = z.infer<typeof terminalSize>;

export const exitFrame = z.object({ code: z.number().int().min(0).max(255) });
export const errorFrame = z.object({ message: z.string().max(1_000) });

/** A shell that somebody waits for at the server. */
export const wantedShell = terminalSize.extend({
  id,
  jobId: id,
  attempt: z.number().int().positive(),
  step: stepName,
  /** Text for `sh -c`; null: an interactive shell. */
  command: z.string().max(10_000).nullable(),
});
export type WantedShell = z.infer<typeof wantedShell>;

/** What a worker asks, and the shells that wait for it. */
export const shellsRequest = z.object({ worker: z.string().min(1).max(100) });
export const shellsAnswer = z.object({ shells: z.array(wantedShell).max(10) });
