import { z } from "zod";
import { instant, nevra, sha256 } from "./message-parts.ts";

/** An RPM as the build worker saw it; the publish worker believes nothing but the digest. */
export const builtPackage = z.object({
  fileName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/),
  sha256,
  sizeBytes: z.number().int().positive(),
  target: z.string(),
});

export type BuiltPackage = z.infer<typeof builtPackage>;

/** A package that is in the pool already. */
export const pooledPackage = z.object({
  nevra: z.string(),
  sha256,
  fileName: z.string(),
  sizeBytes: z.number().int().positive(),
  target: z.string(),
});

export type PooledPackageFacts = z.infer<typeof pooledPackage>;

/** What `dnf updateinfo` tells about one update. */
export const advisory = z.object({
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/),
  type: z.enum(["security", "bugfix", "enhancement", "newpackage"]),
  severity: z.enum(["Critical", "Important", "Moderate", "Low", "None"]),
  title: z.string().max(500),
  description: z.string().max(16_000),
  issuedAt: instant,
  references: z
    .array(
      z.object({
        type: z.enum(["cve", "bugzilla", "self", "other"]),
        id: z.string().max(200),
        href: z.string().max(2_000),
        title: z.string().max(500),
      }),
    )
    .max(200),
  rebootSuggested: z.boolean(),
});

export type Advisory = z.infer<typeof advisory>;

/** An advisory and the packages that carry its update. */
export const listedAdvisory = advisory.extend({ nevras: z.array(z.string()).min(1) });

export type ListedAdvisory = z.infer<typeof listedAdvisory>;

/** What else a repository may carry: comps and modules, passed through as they were given. */
export const passedThrough = z.object({
  target: z.string(),
  type: z.enum(["group", "modules"]),
  /** Null takes it away. */
  text: z.string().max(8_000_000).nullable(),
});

export type PassedThrough = z.infer<typeof passedThrough>;

export const publishedPackage = z.object({
  nevra,
  summary: z.string().max(1_000),
  license: z.string().max(1_000),
  unsignedSha256: sha256,
  signedSha256: sha256,
  sizeBytes: z.number().int().positive(),
  fileName: z.string(),
  /** Of the source package; empty for one itself. */
  sourceRpm: z.string().max(300),
  buildTime: instant,
  /** Where it is listed: the job's targets, `…-source` or `…-debug`. */
  targets: z.array(z.string()).min(1),
});

export type PublishedPackage = z.infer<typeof publishedPackage>;
