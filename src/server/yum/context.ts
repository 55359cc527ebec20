import type { Request, Response } from "express";
import type { YumLayout } from "../../yum/layout.ts";
import type { Generations } from "./generations.ts";
import type { PackageNames } from "./package-names.ts";
import type { Pairings } from "./pairings.ts";
import type { SmallFiles } from "./small-files.ts";

/** A channel's pointer, as the database has it. */
export interface ChannelHead {
  readonly head: number;
  /** Served name, layers included → the newest generation that changed it; its metadata is there. */
  readonly targets: Readonly<Record<string, number>>;
  /** What its `.repo` file tells dnf; null or absent: by the channel's name. */
  readonly metadataExpireSeconds?: number | null;
}

export interface YumDeps {
  readonly yumDir: string;
  readonly heads: { channel(name: string): Promise<ChannelHead | undefined> };
  /** Whether downloads of the signed file with this digest are refused: at every address, at once. */
  readonly refused: (sha256: string) => Promise<boolean>;
  /** Where this request's client reaches us, without a slash at the end. */
  readonly publicUrlOf: (request: Request) => string;
}

export interface Context extends YumDeps {
  readonly layout: YumLayout;
  readonly generations: Generations;
  readonly names: PackageNames;
  readonly pairings: Pairings;
  readonly small: SmallFiles;
}

export type Handler = (request: Request, response: Response, context: Context) => Promise<void>;
