import { z } from "zod";
import { id } from "./message-parts.ts";

/** One commit status that the forge should show. */
export const reportGrant = z.object({
  rows: z.array(
    z.object({
      id,
      lease: z.string(),
      forge: z.enum(["github", "own"]),
      repo: z.string(),
      sha: z.string(),
      context: z.string(),
      state: z.enum(["pending", "success", "failure", "error"]),
      description: z.string(),
      targetUrl: z.string(),
      /** Version of the row; an answer for an older version does not end the newer wish. */
      version: z.number().int(),
      tries: z.number().int(),
      /** It was sent: look whether the forge still shows it, and say it again only if not. */
      isCheck: z.boolean().optional(),
    }),
  ),
});

export type ReportGrant = z.infer<typeof reportGrant>;

export type WantedStatus = ReportGrant["rows"][number];

export const reportAnswer = z.object({
  lease: z.string(),
  version: z.number().int(),
  result: z.union([
    z.object({ kind: z.literal("sent") }),
    /** Try again not before `afterMs` from now; `wholeCredential`: everything of this forge waits. */
    z.object({
      kind: z.literal("later"),
      afterMs: z.number().int(),
      wholeCredential: z.boolean(),
      /** The forge did not answer, or that it is broken: what was posted may still arrive there. */
      isOutage: z.boolean().optional(),
      reason: z.string().max(1_000),
    }),
    /** The credential is refused: all rows of the forge park until it is replaced. */
    z.object({ kind: z.literal("parked"), reason: z.string().max(1_000) }),
    /** Repo or commit gone, too many statuses: never again. */
    z.object({ kind: z.literal("terminal"), reason: z.string().max(1_000) }),
  ]),
});

export type ReportAnswer = z.infer<typeof reportAnswer>;
