import type { Request } from "express";
import type { Logger } from "../../shared/logger.ts";
import type { Assets } from "../assets.ts";
import type { AuthDeps } from "../auth.ts";
import type { LogLines } from "../log-lines.ts";
import type { ChannelActions } from "../changes/channel-actions.ts";
import type { Changes } from "../changes/changes.ts";
import type { PackageDetails } from "../changes/package-details.ts";
import type { DiskHealth } from "../disk-health.ts";
import type { WorkerView } from "../drains.ts";
import type { TestReads } from "../test-views.ts";
import type { Live, LogFiles, ReadStore } from "../views.ts";

/** All that pages and API need from the rest of the server. */
export interface WebDeps extends AuthDeps {
  readonly read: ReadStore;
  readonly tests: TestReads;
  readonly logs: LogFiles;
  readonly live: Live;
  readonly logger: Logger;
  readonly assets: Assets;
  readonly act: BuildActions;
  readonly artifacts: {
    open(
      sha256: string,
    ): Promise<{ readonly path: string; readonly sizeBytes: number } | undefined>;
  };
  /** Whoever has asked for work here. */
  readonly workers: () => Promise<readonly WorkerView[]>;
  /** Why this server refuses work, if it does. */
  readonly diskHealth: (namesFolder: boolean) => Promise<Pick<DiskHealth, "problems">>;
  readonly changes: Pick<Changes, "plan" | "apply" | "find">;
  readonly channelActions: Pick<ChannelActions, "pin">;
  /** What a pooled RPM says about itself; undefined when its bytes are gone. */
  packageDetails(
    file: { readonly signedSha256: string; readonly fileName: string },
    page: { readonly from: number; readonly count: number },
  ): Promise<PackageDetails | undefined>;
  /** Of the key that signs packages and metadata; undefined before it is made. */
  keyFingerprint(): Promise<string | undefined>;
  /** Aborted when the server stops: open streams end, or they would hold it up. */
  readonly stopping?: AbortSignal;
}

export interface BuildActions {
  cancel(
    buildId: string,
    by: string,
  ): Promise<"cancelled" | "cancelling" | "already-final" | "not-found">;
  rerun(
    buildId: string,
    by: string,
    /** `isFresh`: with nothing that earlier builds left; `isCompared`: to compare its packages. */
    options?: { readonly isFresh?: boolean; readonly isCompared?: boolean },
  ): Promise<{ readonly id: string; readonly number: number } | "not-found" | "not-possible">;
}

/** With the indexes of logs, which pages and API share. */
export interface RouteDeps extends WebDeps {
  readonly lines: LogLines;
}

/** A query parameter that was given once, as text. */
export function queryText(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A whole number from a query; undefined when it is absent, "bad" when it is none or out of range. */
export function queryInteger(
  request: Request,
  name: string,
  range: { readonly min: number; readonly max: number },
): number | undefined | "bad" {
  const value: unknown = request.query[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || !/^\d{1,15}$/.test(value)) return "bad";
  const number = Number(value);
  return number >= range.min && number <= range.max ? number : "bad";
}
