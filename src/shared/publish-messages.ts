import { z } from "zod";
import { failureCard, id, nevra, refusal, sha256 } from "./message-parts.ts";
import { listedAdvisory, publishedPackage } from "./package-messages.ts";

/**
 * Asks whether these identities may be published to the publish's channels: NEVRAs are immutable,
 * names have owners, versions go up.
 */
export const publishCheckRequest = z.object({
  packages: z
    .array(
      z.object({
        nevra,
        unsignedSha256: sha256,
        target: z.string(),
        /** Names only, without the package's own name and without files and sonames. */
        provides: z.array(z.string()).max(10_000),
        obsoletes: z.array(z.string()).max(10_000),
        conflicts: z.array(z.string()).max(10_000),
      }),
    )
    .min(1)
    .max(5_000),
});

export const publishCheckAnswer = z.object({
  packages: z.array(
    z.object({
      unsignedSha256: sha256,
      /** `same`: already signed and pooled under `signedSha256`. */
      verdict: z.enum(["new", "same", "taken"]),
      signedSha256: sha256.nullable(),
      takenBy: z.string().nullable(),
    }),
  ),
  /** What the server's own rules refuse; all of them at once. */
  refusals: z.array(refusal),
  /** Worth telling, and no reason to stop. */
  warnings: z.array(z.string()),
});

export type PublishCheckRequest = z.infer<typeof publishCheckRequest>;

export type PublishCheckAnswer = z.infer<typeof publishCheckAnswer>;

/**
 * Staged generations: everything is on disk and fsynced, nobody is served from them yet. One switch
 * carries every publish that waited, and is one transaction for all of them.
 */
export const switchRequest = z.object({
  generations: z.array(
    z.object({
      channel: z.string(),
      /** The generation it was built on; the pointer moves only from there. */
      base: z.number().int().nonnegative(),
      number: z.number().int().positive(),
      /** Served name (with layers) → the newest generation that changed it. */
      targets: z.record(z.string(), z.number().int().positive()),
      /** Target (without layers) → how many packages it lists. */
      counts: z.record(z.string(), z.number().int().nonnegative()),
    }),
  ),
  publishes: z
    .array(
      z.object({
        publishId: id,
        leaseToken: z.string(),
        /** Of a build or an import; empty for the others, whose packages the server named itself. */
        packages: z.array(publishedPackage),
        advisories: z.array(listedAdvisory),
        warnings: z.array(z.string().max(2_000)).max(100),
        durationMs: z.number(),
      }),
    )
    .min(1),
  keyFingerprint: z.string(),
});

export type SwitchRequest = z.infer<typeof switchRequest>;

export const switchAnswer = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("live") }),
  /** Somebody else's publish came first: assemble again on these. */
  z.object({
    kind: z.literal("moved"),
    channels: z.array(z.object({ name: z.string(), head: z.number().int() })),
  }),
  /** Nothing has moved. These must leave the batch; the others may be staged again. */
  z.object({
    kind: z.literal("refused"),
    publishes: z
      .array(
        z.object({
          publishId: id,
          /** `stale`: its lease is lost. `cancelled`: the server has ended it. `taken`: see `refusal`. */
          why: z.enum(["stale", "cancelled", "taken"]),
          refusal: refusal.nullable(),
        }),
      )
      .min(1),
  }),
]);

export type SwitchAnswer = z.infer<typeof switchAnswer>;

/** The end of a publish that made no generation: a sweep, or an edit that changed nothing. */
export const publishDoneMessage = z.object({
  durationMs: z.number(),
  /** For the operator: what was done, or would be. */
  report: z.array(z.string()).max(10_000),
});

export type PublishDoneMessage = z.infer<typeof publishDoneMessage>;

/** How far an import or a rewrite has come; shown while it runs. */
export const publishProgressMessage = z.object({
  done: z.number().int().nonnegative(),
  total: z.number().int().nonnegative(),
  note: z.string().max(200),
});

export const publishFailMessage = z.object({ failure: failureCard });
