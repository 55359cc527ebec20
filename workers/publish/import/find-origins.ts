import { readFile } from "node:fs/promises";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { signedRecord } from "../pool.ts";
import { findByDigest } from "../sweep/find-files.ts";
import type { FoundPackage } from "./read-package.ts";
import type { SortedPackage } from "./sort-by-signer.ts";

/**
 * Packages that this installation signed itself are known by what they were before: a channel that
 * was exported comes back as the same packages, not as others of their name.
 */
export async function withOrigins(
  packages: readonly SortedPackage[],
  layout: YumLayout,
): Promise<readonly SortedPackage[]> {
  const ours = new Set(
    packages.flatMap(({ found, how }) => (how === "ours" ? [found.sha256] : [])),
  );
  if (ours.size === 0) return packages;
  const origins = new Map<string, string>();
  for await (const { path, id } of findByDigest(layout, "signed")) {
    const sha256 = await readFile(path, "utf8")
      .then((text) => signedRecord.parse(JSON.parse(text)).sha256)
      .catch(() => ""); // Half of a record is none.
    if (ours.has(sha256)) origins.set(sha256, id);
  }
  return packages.map((each) => ({ ...each, found: withOrigin(each.found, origins) }));
}

function withOrigin(found: FoundPackage, origins: ReadonlyMap<string, string>): FoundPackage {
  const unsignedSha256 = origins.get(found.sha256);
  if (unsignedSha256 === undefined) return found;
  return { ...found, identity: { ...found.identity, unsignedSha256 } };
}
