import { z } from "zod";

const DAY_SECONDS = 86_400;

/** What an operator can set for a channel; every key has a default that suits `dev`. */
export const channelSettings = z
  .object({
    /** zstd halves the bytes, and EL7/EL8 cannot read it. */
    compression: z.enum(["gzip", "zstd"]).default("gzip"),
    /** `auto`: a target that has grown large is served as a base and its updates. */
    layers: z.enum(["auto", "off"]).default("auto"),
    /** A version lower than the newest, when no newer push explains it. */
    olderVersions: z.enum(["refuse", "allow"]).default("refuse"),
    /** Requires that nothing satisfies, where that can be known. */
    requires: z.enum(["refuse", "ignore"]).default("refuse"),
    fileConflicts: z.enum(["refuse", "ignore"]).default("refuse"),
    /** Which repos may publish here: patterns of `owner/name`. */
    repos: z.array(z.string()).default(["*"]),
    /** Builds of other branches go to a child channel each, that expires this long after its last publish. */
    branchChannels: z.object({ expireDays: z.number().int().positive() }).nullable().default(null),
    retention: z
      .object({
        /** Per name, architecture and target the newest this many stay. */
        keepVersions: z.number().int().positive().nullable().default(null),
        /** What was published longer ago goes, but never the newest of a name. */
        maxAgeDays: z.number().positive().nullable().default(null),
        /** Packages that a tag's build made stay. */
        keepTagged: z.boolean().default(true),
      })
      .default({ keepVersions: null, maxAgeDays: null, keepTagged: true }),
    /** What the `.repo` file tells dnf; null: by the channel's name. */
    metadataExpireSeconds: z.number().int().positive().nullable().default(null),
  })
  .strict();
export type ChannelSettings = z.infer<typeof channelSettings>;

export const DEFAULT_CHANNEL_SETTINGS: ChannelSettings = channelSettings.parse({});

/** Old generations and bytes that no channel lists any more stay at least this long. */
export function graceSeconds(metadataExpireSeconds: number): number {
  return Math.max(7 * DAY_SECONDS, 2 * metadataExpireSeconds);
}
