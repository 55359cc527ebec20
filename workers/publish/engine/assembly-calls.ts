import type { DocumentName } from "../../../src/yum/layout.ts";
import type {
  Compression,
  ListedPackage,
  SegmentRef,
  ViewDocument,
} from "../../../src/yum/target-state.ts";

/** A package and where its final bytes can be read now. */
export interface PackageSource extends ListedPackage {
  readonly path: string;
}

/** A package that a sealed segment lists. */
export interface FoundPackage extends ListedPackage {
  readonly segment: string;
}

/** What one served form of a target is made of. */
export interface ViewParts {
  readonly segments: readonly SegmentRef[];
  readonly hasTail: boolean;
}

/** A document's facts, and its first and last members one after the other. */
export interface AssembledDocument extends ViewDocument {
  readonly ends: Uint8Array;
}

export type AssembledView = Readonly<Record<DocumentName, AssembledDocument>>;

/**
 * What the thread does. All that reads, hashes or compresses more than a few kilobytes is here, so
 * that the process's own event loop keeps its leases and answers.
 */
export interface AssemblyCalls {
  /** Facts and ends of each view; exact, but `openSha256` may be null where a target is large. */
  assemble(request: {
    readonly compression: Compression;
    readonly tail: readonly PackageSource[];
    readonly views: readonly ViewParts[];
  }): Promise<readonly AssembledView[]>;
  /** Seals packages, 1,024 at most: on the disk when it resolves. */
  seal(request: {
    readonly compression: Compression;
    readonly packages: readonly PackageSource[];
  }): Promise<SegmentRef>;
  /** One segment of several, or of one, without some packages; null if none is left. Reads no RPM. */
  join(request: {
    readonly compression: Compression;
    readonly segments: readonly string[];
    readonly without: readonly string[];
    readonly isIdle: boolean;
  }): Promise<SegmentRef | null>;
  /** Seals all that these list anew from the pool, in full segments; what is left makes the tail. */
  rebuild(request: {
    readonly compression: Compression;
    readonly segments: readonly string[];
    readonly tail: readonly ListedPackage[];
  }): Promise<{
    readonly segments: readonly SegmentRef[];
    readonly tail: readonly ListedPackage[];
  }>;
  /** Which of these NEVRAs the segments list. */
  find(request: {
    readonly segments: readonly string[];
    readonly nevras: readonly string[];
  }): Promise<readonly FoundPackage[]>;
  /** In idle time: reads and hashes what the next publishes will need. Resolves when it is noted. */
  prepare(request: {
    /** Replaces what was prepared for this view before. */
    readonly view: string;
    readonly compression: Compression;
    readonly segments: readonly SegmentRef[];
    /** All in the pool. */
    readonly tail: readonly ListedPackage[];
    /** The numbers of packages that it may have next: from this one on, so many. */
    readonly from: number;
    readonly ahead: number;
  }): Promise<void>;
  /** Resolves when nothing is left to prepare. */
  settled(request: null): Promise<void>;
}

export type AssemblyCall = {
  readonly [Name in keyof AssemblyCalls]: {
    readonly id: number;
    readonly name: Name;
    readonly request: Parameters<AssemblyCalls[Name]>[0];
  };
}[keyof AssemblyCalls];

export type AssemblyAnswer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: AssemblyError };

export interface AssemblyError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
}

export interface ThreadData {
  readonly yumDir: string;
}
