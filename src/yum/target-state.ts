import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { DocumentName, YumLayout } from "./layout.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();
const perDocument = <T extends z.ZodType>(one: T) =>
  z.object({ primary: one, filelists: one, other: one });

/** A signed RPM in the pool, as a channel lists it. */
export const listedPackage = z.object({
  nevra: z.string(),
  sha256,
  fileName: z.string(),
  sizeBytes: count,
});
export type ListedPackage = Readonly<z.infer<typeof listedPackage>>;

export const COMPRESSIONS = ["gzip", "zstd"] as const;
export type Compression = (typeof COMPRESSIONS)[number];
export const SUFFIX = { gzip: "gz", zstd: "zst" } as const satisfies Record<Compression, string>;

/** A run of bytes: as it is stored, and as it is once decompressed. */
const member = z.object({ bytes: count, openBytes: count });

/**
 * A sealed segment: up to 1,024 packages whose XML is one compressed member per document. Immutable,
 * shared by every generation and channel that lists it.
 */
export const segmentRef = z.object({
  id: sha256,
  packages: count,
  members: perDocument(member),
});
export type SegmentRef = Readonly<z.infer<typeof segmentRef>>;

/** `segment.json`, beside the members. */
export const segmentFile = z.object({
  format: z.literal(1),
  id: sha256,
  compression: z.enum(COMPRESSIONS),
  packages: z.array(listedPackage),
  members: perDocument(member.extend({ sha256 })),
});
export type SegmentFile = Readonly<z.infer<typeof segmentFile>>;

/** What `repomd.xml` says about a document, and where its bytes are. */
export const viewDocument = z.object({
  fileName: z.string(),
  sha256,
  sizeBytes: count,
  /** Null when it was not computed in time; clients do without. */
  openSha256: sha256.nullable(),
  openSizeBytes: count,
  /** The view's `<document>.ends` holds the first member, then the tail and the last member. */
  headBytes: count,
  endBytes: count,
});
export type ViewDocument = Readonly<z.infer<typeof viewDocument>>;

/** One served form of a target: all of it, or one of its two layers. */
export const view = z.object({
  /** The generation that made it: its folder holds `repodata`. */
  since: z.number().int().positive(),
  packages: count,
  documents: perDocument(viewDocument),
});
export type View = Readonly<z.infer<typeof view>>;

/** A metadata file that is not made of segments: `updateinfo`, `group`, `modules`. */
export const extraDocument = z.object({
  type: z.string().regex(/^[a-z_]{1,40}$/),
  fileName: z.string(),
  sha256,
  sizeBytes: count,
  openSha256: sha256,
  openSizeBytes: count,
});
export type ExtraDocument = Readonly<z.infer<typeof extraDocument>>;

/** `target.json`: all that one generation says about one target, in size independent of its packages. */
export const targetState = z.object({
  format: z.literal(2),
  compression: z.enum(COMPRESSIONS),
  /** Oldest first. */
  segments: z.array(segmentRef),
  /** How many of the segments are the frozen base layer; see `isLayered` for 0. */
  baseSegments: count,
  /**
   * The first segment that the updates list, at most `baseSegments`; absent: just that. What a fold
   * moves to the base stays in the updates for some hours, since a client may read new updates
   * beside a base that it fetched before the fold.
   */
  updatesFrom: count.optional(),
  tail: z.array(listedPackage),
  /** Ids of the advisories about listed packages. */
  advisories: z.array(z.string()),
  extras: z.array(extraDocument),
  views: z.object({ full: view, base: view.nullable(), updates: view.nullable() }),
});
export type TargetState = Readonly<z.infer<typeof targetState>>;

/** `generation.json`: one immutable state of a channel. */
export const generationFile = z.object({
  format: z.literal(2),
  channel: z.string(),
  number: z.number().int().positive(),
  base: count,
  /** The publishes that it was made for. */
  builtFor: z.array(z.string()),
  createdAt: z.number().int(),
  /** Target (without layers) → the generation whose folder has its `target.json`. */
  targets: z.record(z.string(), z.number().int().positive()),
});
export type GenerationFile = Readonly<z.infer<typeof generationFile>>;

export const LAYERS = ["base", "updates"] as const;
export type Layer = (typeof LAYERS)[number];

/** `el9.x86_64` → `el9.x86_64-updates`: layers are served like targets of their own. */
export function layerName(target: string, layer: Layer): string {
  return `${target}-${layer}`;
}

/** The target and the view that a served name means. */
export function viewOf(served: string): {
  readonly target: string;
  readonly view: keyof TargetState["views"];
} {
  const layer = LAYERS.find((each) => served.endsWith(`-${each}`));
  return layer === undefined
    ? { target: served, view: "full" }
    : { target: served.slice(0, -layer.length - 1), view: layer };
}

type Layers = Pick<TargetState, "baseSegments" | "updatesFrom">;

/** Its base may be empty: a target that hosts read in layers keeps both, whatever is taken away. */
export function isLayered({ baseSegments, updatesFrom }: Layers): boolean {
  return baseSegments > 0 || updatesFrom !== undefined;
}

/** The segments whose members stand between a view's head and end, oldest first. */
export function segmentsOf(
  { segments, baseSegments, updatesFrom }: Layers & { readonly segments: readonly SegmentRef[] },
  name: keyof TargetState["views"],
): readonly SegmentRef[] {
  if (name === "full") return segments;
  return name === "base"
    ? segments.slice(0, baseSegments)
    : segments.slice(updatesFrom ?? baseSegments);
}

/** Served name → the generation that has its `repodata`: what mirrorlists answer. */
export function servedSince(target: string, { views }: TargetState): Record<string, number> {
  return {
    [target]: views.full.since,
    ...(views.base && { [layerName(target, "base")]: views.base.since }),
    ...(views.updates && { [layerName(target, "updates")]: views.updates.since }),
  };
}

/** Throws what `readFile` throws, or a ZodError: callers know what a missing state means to them. */
export async function readTargetState(
  layout: YumLayout,
  place: { readonly channel: string; readonly number: number; readonly target: string },
): Promise<TargetState> {
  const folder = layout.served(place.channel, place.number, place.target);
  return targetState.parse(JSON.parse(await readFile(join(folder, "target.json"), "utf8")));
}

export async function readGeneration(
  layout: YumLayout,
  channel: string,
  number: number,
): Promise<GenerationFile> {
  const path = join(layout.generation(channel, number), "generation.json");
  return generationFile.parse(JSON.parse(await readFile(path, "utf8")));
}

/** A segment's packages. */
export async function readSegment(layout: YumLayout, id: string): Promise<SegmentFile> {
  const path = join(layout.segment(id), "segment.json");
  return segmentFile.parse(JSON.parse(await readFile(path, "utf8")));
}

/** The file of a sealed segment's member. */
export function memberFile(document: DocumentName, compression: Compression): string {
  return `${document}.xml.${SUFFIX[compression]}`;
}

/** In a served view's `repodata` folder: a document's first member, then its tail and last member. */
export function endsFile(document: DocumentName): string {
  return `${document}.ends`;
}
