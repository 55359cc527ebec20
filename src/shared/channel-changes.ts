import { z } from "zod";
import { refusal } from "./message-parts.ts";

/**
 * What people do to channels, as pages, command line and API say it. Each can be asked for as a plan
 * first (`POST /api/changes?dry-run`), which changes nothing; then done (`POST /api/changes`).
 */
const note = z.string().max(1_000).default("");
const channel = z.string();

export const changeRequest = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("promote"),
    /** NEVRAs, `name-version-release`, `name-version`, or names (the newest). */
    packages: z.array(z.string()).max(5_000).default([]),
    /** Everything that this build published, as `owner/name#number`. */
    build: z.string().nullable().default(null),
    /** Everything that `from` lists and `to` does not: newest of each name. */
    all: z.boolean().default(false),
    /** Null: the one channel that the packages are in. */
    from: channel.nullable().default(null),
    to: channel,
    /** Although what it lists would not resolve. */
    force: z.boolean().default(false),
    note,
  }),
  z.object({
    kind: z.literal("undo"),
    channel,
    /** The generation whose lists come back; null: the one before the head. */
    to: z.number().int().positive().nullable().default(null),
    /** The newest that the asker knows: refused when it is another. Absent: whichever it is. */
    head: z.number().int().positive().nullish(),
    note,
  }),
  z.object({
    kind: z.literal("yank"),
    packages: z.array(z.string()).min(1).max(5_000),
    /** Null: wherever it is listed. */
    channel: channel.nullable().default(null),
    /** Answer 410 at every path from now on: for security matters. */
    refuseDownloads: z.boolean().default(false),
    note,
  }),
  z.object({ kind: z.literal("retain"), channel, note }),
  z.object({ kind: z.literal("rewrite"), channel, note }),
]);
export type ChangeRequest = z.infer<typeof changeRequest>;
export type ChangeKind = ChangeRequest["kind"];

const planLine = z.object({
  channel,
  target: z.string(),
  nevra: z.string(),
  /** What hosts have now by this name and architecture; null: nothing, or not affected. */
  replaces: z.string().nullable(),
  /** What hosts get by this name and architecture afterwards; null: nothing. */
  leaves: z.string().nullable().default(null),
});
export type PlanLine = z.infer<typeof planLine>;

export const changePlan = z.object({
  kind: z.string(),
  /** One sentence. */
  title: z.string(),
  channels: z.array(z.object({ name: channel, head: z.number().int() })),
  add: z.array(planLine),
  remove: z.array(planLine),
  /** Requires that would hold no longer, and files in two packages. Empty: the channel resolves. */
  problems: z.array(refusal),
  warnings: z.array(z.string()),
  /** What the person must type before it is done; null: nothing. */
  confirm: z.string().nullable(),
});
export type ChangePlan = z.infer<typeof changePlan>;

export const changeResult = z.object({
  /** Null: all was as wished already, and nothing was done. */
  publishId: z.string().nullable(),
  state: z.enum(["queued", "running", "live", "failed", "errored", "cancelled"]),
  generations: z.array(z.object({ channel, number: z.number().int() })),
  durationMs: z.number().nullable(),
  /** Why not, when it is not live. */
  reason: z.string().nullable(),
  report: z.array(z.string()),
});
export type ChangeResult = z.infer<typeof changeResult>;

/** A change as the list of a channel's history shows it. */
export const changeCause = z.object({
  publishId: z.string(),
  kind: z.string(),
  by: z.string(),
  note: z.string(),
  build: z.object({ id: z.string(), repo: z.string(), number: z.number().int() }).nullable(),
});
export type ChangeCause = z.infer<typeof changeCause>;
