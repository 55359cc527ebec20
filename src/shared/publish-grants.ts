import { z } from "zod";
import { channelSettings } from "./channel-settings.ts";
import { buildFacts, id, lease, sha256 } from "./message-parts.ts";
import { builtPackage, listedAdvisory, passedThrough, pooledPackage } from "./package-messages.ts";

/** A channel as a grant tells of it. */
export const grantedChannel = z.object({
  name: z.string(),
  /** The generation that it points at now; 0 before its first. */
  head: z.number().int().nonnegative(),
  settings: channelSettings,
});

export type GrantedChannel = z.infer<typeof grantedChannel>;

/** A change of what a channel lists; all packages are in the pool. */
export const channelEdit = z.object({
  channel: grantedChannel,
  add: z.array(pooledPackage),
  remove: z.array(z.object({ target: z.string(), nevra: z.string() })),
  /** About packages of `add`. */
  advisories: z.array(listedAdvisory),
  extras: z.array(passedThrough),
  /** Make all metadata anew: settings or keys changed, or the operator wants whole segments. */
  rewrite: z.boolean(),
});

export type ChannelEdit = z.infer<typeof channelEdit>;

const grantBase = z.object({ publishId: id, lease });

/** A build's packages, to be published all together. */
export const buildPublishGrant = grantBase.extend({
  kind: z.literal("build"),
  build: buildFacts,
  /** The commit's message, whose trailers may make an advisory. */
  message: z.string(),
  /** The repository's errata file, as the build worker found it; null: none. */
  errata: z.string().nullable(),
  channels: z.array(grantedChannel).min(1),
  packages: z
    .array(
      builtPackage.extend({
        /** Those of `channels` that it goes to; left out: all. */
        channels: z.array(z.string()).nullish(),
      }),
    )
    .min(1),
});

export type BuildPublishGrant = z.infer<typeof buildPublishGrant>;

/** Promote, yank, retention, settings: what the server worked out, to be done. */
export const editGrant = grantBase.extend({
  kind: z.literal("edit"),
  edits: z.array(channelEdit).min(1),
});

export type EditGrant = z.infer<typeof editGrant>;

/** Undo, and a new child channel: the lists of another generation under a new number. */
export const restoreGrant = grantBase.extend({
  kind: z.literal("restore"),
  channel: grantedChannel,
  from: z.object({ channel: z.string(), number: z.number().int().positive() }),
});

export type RestoreGrant = z.infer<typeof restoreGrant>;

/** RPMs of a folder on the publish worker's host. */
export const importGrant = grantBase.extend({
  kind: z.literal("import"),
  channel: grantedChannel,
  target: z.string(),
  folder: z.string(),
  /** For packages that another key has signed. */
  foreignSignatures: z.enum(["refuse", "resign", "keep"]),
});

export type ImportGrant = z.infer<typeof importGrant>;

/** What nobody can be using any more is deleted: all but the generations named here, and what they need. */
export const sweepGrant = grantBase.extend({
  kind: z.literal("sweep"),
  keep: z.array(z.object({ channel: z.string(), numbers: z.array(z.number().int().positive()) })),
  /** Signed RPMs that no listing and no grace needs. */
  dropPackages: z.array(z.object({ sha256, fileName: z.string() })),
  /** Files younger than this stay in any case. */
  graceMs: z.number().int().nonnegative(),
  dryRun: z.boolean(),
});

export type SweepGrant = z.infer<typeof sweepGrant>;

export const publishGrant = z.discriminatedUnion("kind", [
  buildPublishGrant,
  editGrant,
  restoreGrant,
  importGrant,
  sweepGrant,
]);

export type PublishGrant = z.infer<typeof publishGrant>;

export type PublishKind = PublishGrant["kind"];
