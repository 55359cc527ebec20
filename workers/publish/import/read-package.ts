import { realpath, stat } from "node:fs/promises";
import { rpmFileName } from "../../../src/domain/nevra.ts";
import { checkDigests } from "../../../src/yum/rpm/check-digests.ts";
import { readRpm, RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import type { RpmPackage } from "../../../src/yum/rpm/rpm-package.ts";
import { identityOf } from "../check-identities.ts";
import type { Identity } from "../check-identities.ts";
import { checkWritable } from "../inspect-rpm.ts";
import { oneLine } from "../one-line.ts";
import { sha256OfFile } from "../pool.ts";

/** What is kept of an RPM of the folder: thousands of them fit into memory. */
export interface FoundPackage {
  readonly path: string;
  readonly identity: Identity;
  readonly fileName: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** When the file last changed, as milliseconds: it must not change while we read it. */
  readonly changedAt: number;
  readonly summary: string;
  readonly license: string;
  readonly sourceRpm: string;
  /** Seconds. */
  readonly buildTime: number;
  /** Who signed it: sixteen hexadecimal digits each, `unknown` where a signature does not say. */
  readonly signers: readonly string[];
}

export type ReadOutcome =
  | { readonly kind: "found"; readonly found: FoundPackage }
  /** A sentence without the file's name. */
  | { readonly kind: "refused"; readonly why: string };

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/;

/** Reads one RPM, checks its digests, and that it fits the target. */
export async function readPackage(path: string, target: string): Promise<ReadOutcome> {
  try {
    const reading = [readRpm(path), sha256OfFile(path), stat(path), checkDigests(path)] as const;
    // A thread that is ended while it reads takes the process with it, so none reads on.
    await Promise.allSettled(reading);
    const [rpm, sha256, { size, mtimeMs }] = await Promise.all(reading);
    if (sha256 === undefined) return { kind: "refused", why: "It has gone." };
    const fileName = rpmFileName(rpm.nevra);
    const file = { sha256, sizeBytes: size, fileName, changedAt: mtimeMs };
    const why = findMismatch(rpm, target, fileName);
    if (why !== undefined) return { kind: "refused", why };
    checkWritable(rpm, file);
    return {
      kind: "found",
      found: { ...file, ...factsOf(rpm, sha256, target), path: await realpath(path) },
    };
  } catch (err) {
    if (err instanceof RpmRefused) return { kind: "refused", why: err.message };
    throw err;
  }
}

/** Whose names an import may use is the admin's word, and a kernel provides tens of thousands. */
const NOT_JUDGED = { provides: [], obsoletes: [], conflicts: [] };

function factsOf(rpm: RpmPackage, sha256: string, target: string) {
  return {
    identity: identityOf({ nevra: rpm.nevra, relations: NOT_JUDGED }, sha256, target),
    summary: oneLine(rpm.summary),
    license: oneLine(rpm.license),
    sourceRpm: rpm.sourceRpm.slice(0, 300),
    buildTime: rpm.buildTime,
    signers: [...new Set(rpm.signatures.map(({ keyId }) => keyId?.toLowerCase() ?? "unknown"))],
  };
}

/** 32-bit x86 packages have always lived in the repositories of 64-bit hosts. */
const ALSO_FITS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ["i386", "i486", "i586", "i686"],
};

function findMismatch({ nevra }: RpmPackage, target: string, fileName: string): string | undefined {
  if (!FILE_NAME.test(fileName)) return `Its name cannot be served: ${fileName.slice(0, 300)}`;
  const arch = target.split(".")[1] ?? "";
  const fits = [arch, "noarch", "src", "nosrc", ...(ALSO_FITS[arch] ?? [])];
  return fits.includes(nevra.arch) ? undefined : `It is for ${nevra.arch}, and not for ${target}.`;
}
