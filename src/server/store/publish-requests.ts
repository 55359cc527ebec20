import type {
  ListedAdvisory,
  PassedThrough,
  PooledPackageFacts,
} from "../../shared/package-messages.ts";
import type { PublishKind } from "../../shared/publish-grants.ts";
import type { PublishRow } from "./schema.ts";

/** What one channel is to list more and less; its head and settings are looked up at the claim. */
export interface ChannelEditRequest {
  /** The channel's name. */
  readonly channel: string;
  readonly add: readonly PooledPackageFacts[];
  readonly remove: readonly { readonly target: string; readonly nevra: string }[];
  /** About packages of `add`. */
  readonly advisories: readonly ListedAdvisory[];
  readonly extras: readonly PassedThrough[];
  /** Make all metadata anew. */
  readonly rewrite: boolean;
}

export interface EditRequest {
  readonly edits: readonly ChannelEditRequest[];
  /** What `edits` remove is marked yanked in the moment in which it goes; null: it only leaves. */
  readonly yank: {
    readonly reason: string;
    /** Its downloads are answered 410 from then on. */
    readonly refuse: boolean;
  } | null;
}

export interface RestoreRequest {
  readonly channel: string;
  readonly from: { readonly channel: string; readonly number: number };
}

export interface ImportRequest {
  readonly channel: string;
  readonly target: string;
  readonly folder: string;
  readonly foreignSignatures: "refuse" | "resign" | "keep";
}

export interface SweepRequest {
  readonly dryRun: boolean;
  /** Made when it is granted: what is unused when it is asked for may be needed by then. */
  readonly plan: SweepPlan | null;
}

/** What nobody can be using any more: all but these generations, and these packages. */
export interface SweepPlan {
  readonly keep: readonly { readonly channel: string; readonly numbers: readonly number[] }[];
  readonly dropPackages: readonly { readonly sha256: string; readonly fileName: string }[];
  /** What is younger stays in any case. */
  readonly graceMs: number;
}

/** What a publish that is no build's was asked to do, as `publishes.requestJson` keeps it. */
export interface RequestOf {
  readonly edit: EditRequest;
  readonly restore: RestoreRequest;
  readonly import: ImportRequest;
  readonly sweep: SweepRequest;
}
export type ChangeOfChannels = Exclude<PublishKind, "build">;

/** An asked-for change, its kind beside what it needs. */
export type AskedChange = {
  readonly [Kind in ChangeOfChannels]: {
    readonly kind: Kind;
    readonly request: RequestOf[Kind];
  };
}[ChangeOfChannels];

/** What it was asked to do. Written by ourselves, so its shape is known. */
export function requestOf<Kind extends ChangeOfChannels>(
  publish: Pick<PublishRow, "kind" | "requestJson">,
  kind: Kind,
): RequestOf[Kind] {
  if (publish.kind !== kind) throw new Error(`A ${publish.kind} is not asked for like a ${kind}.`);
  return JSON.parse(publish.requestJson ?? "null") as RequestOf[Kind];
}
