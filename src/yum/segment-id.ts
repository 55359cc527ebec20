import { createHash } from "node:crypto";
import type { Compression, ListedPackage } from "./target-state.ts";

/** Raised whenever the XML that we write of an RPM changes: then the same packages are a new segment. */
const XML_FORM = 1;

/** What a segment is called: the same packages in the same order are the same segment. */
export function segmentId(compression: Compression, packages: readonly ListedPackage[]): string {
  const hash = createHash("sha256").update(`${XML_FORM}\n${compression}\n`);
  for (const { sha256, fileName } of packages) hash.update(`${sha256} ${fileName}\n`);
  return hash.digest("hex");
}
