import { z } from "zod";
import { isChannelName, isTargetName } from "../domain/channel.ts";
import { PUBLISH_RULES } from "../domain/publish-rules.ts";
import { isRepoName } from "../domain/push.ts";
import { isRepoPattern } from "../domain/repo-patterns.ts";
import { channelSettings } from "./channel-settings.ts";

/** What people ask of channels beside changes of what they list; see docs/reference/channels.md. */
export const channelName = z
  .string()
  .refine(
    isChannelName,
    "a channel's name has 1 to 63 small letters, digits, dots, dashes and underscores",
  );
const repoName = z.string().refine(isRepoName, "a repo is owner/name");
export const packageName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,255}$/, "a package's name");
const generation = z.number().int().positive();

/** Checked where an operator sets them: what is stored already is never refused. */
const repoPatterns = z
  .array(z.string().refine(isRepoPattern, "a pattern is *, owner/* or owner/name"))
  .min(1)
  .max(200);

const fields = channelSettings.shape;
const retention = fields.retention.unwrap().shape;

/**
 * Only what is to change. The defaults are taken off: zod applies them to absent keys, and a patch
 * would set back whatever it does not name.
 */
export const settingsPatch = z
  .object({
    compression: fields.compression.unwrap(),
    layers: fields.layers.unwrap(),
    olderVersions: fields.olderVersions.unwrap(),
    requires: fields.requires.unwrap(),
    fileConflicts: fields.fileConflicts.unwrap(),
    repos: repoPatterns,
    branchChannels: fields.branchChannels.unwrap(),
    retention: z
      .object({
        keepVersions: retention.keepVersions.unwrap(),
        maxAgeDays: retention.maxAgeDays.unwrap(),
        keepTagged: retention.keepTagged.unwrap(),
      })
      .partial()
      .strict(),
    metadataExpireSeconds: z
      .number()
      .int()
      .min(10)
      .max(30 * 86_400)
      .nullable(),
  })
  .partial()
  .strict();
export type SettingsPatch = z.infer<typeof settingsPatch>;

export const createChannelRequest = z
  .object({
    name: channelName,
    /** It begins as a copy of this channel's newest generation. */
    parent: channelName.nullable().default(null),
    /** It is deleted so many days from now; null: when somebody does it. */
    expireDays: z.number().int().positive().max(3_650).nullable().default(null),
    settings: settingsPatch.default({}),
  })
  .strict();
export type CreateChannelRequest = z.infer<typeof createChannelRequest>;

export const patchChannelRequest = z
  .object({
    settings: settingsPatch.default({}),
    /** Counted from now; null: it does not expire. */
    expireDays: z.number().int().positive().max(3_650).nullable(),
  })
  .partial({ expireDays: true })
  .strict();
export type PatchChannelRequest = z.infer<typeof patchChannelRequest>;

export const pinRequest = z
  .object({
    generation: generation.optional(),
    nevra: z.string().min(1).max(1_000).optional(),
    isPinned: z.boolean().default(true),
    /** Of a generation. */
    note: z.string().max(1_000).default(""),
  })
  .strict()
  .refine(
    (wish) => (wish.generation === undefined) !== (wish.nevra === undefined),
    "pin either a generation or a nevra",
  );
export type PinRequest = z.infer<typeof pinRequest>;

export const importRequest = z
  .object({
    target: z.string().refine(isTargetName, "a target is like el9.x86_64"),
    /** On the publish worker's host. */
    folder: z
      .string()
      .max(4_096)
      // oxlint-disable-next-line no-control-regex -- control bytes are what is refused here
      .regex(/^\/[^\u0000-\u001f]*$/, "the folder is an absolute path"),
    foreignSignatures: z.enum(["refuse", "resign", "keep"]).default("refuse"),
    note: z.string().max(1_000).default(""),
  })
  .strict();
export type ImportRequest = z.infer<typeof importRequest>;

export const allowanceRequest = z
  .object({
    repo: repoName,
    rule: z.enum(PUBLISH_RULES),
    subject: z.string().min(1).max(256),
    /** False takes it back. */
    isAllowed: z.boolean().default(true),
  })
  .strict();
export type AllowanceRequest = z.infer<typeof allowanceRequest>;

export const transferRequest = z.object({ repo: repoName }).strict();
