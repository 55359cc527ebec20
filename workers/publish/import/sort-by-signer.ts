import { basename } from "node:path";
import { UserFault } from "../../../src/domain/faults.ts";
import type { ImportGrant } from "../../../src/shared/publish-grants.ts";
import { shown } from "./read-all.ts";
import type { FoundPackage } from "./read-package.ts";

export interface SortedPackage {
  readonly found: FoundPackage;
  /** `sign`: we make a signed copy. `ours`: linked once its signature is verified. `keep`: linked as it is. */
  readonly how: "sign" | "ours" | "keep";
}

export interface Sorted {
  readonly packages: readonly SortedPackage[];
  readonly warnings: readonly string[];
}

const FOREIGN_SHOWN_MAX = 10;

/**
 * What becomes of each package, by who signed it. `ourKeys`: sixteen hexadecimal digits each. Throws
 * `PACKAGE_SIGNED` if somebody else signed some and the grant does not say what to do about it.
 */
export function sortBySigner(
  found: readonly FoundPackage[],
  ourKeys: ReadonlySet<string>,
  { foreignSignatures }: Pick<ImportGrant, "foreignSignatures">,
): Sorted {
  const foreign = found.filter(({ signers }) => signers.some((keyId) => !ourKeys.has(keyId)));
  if (foreign.length > 0 && foreignSignatures === "refuse") throw refusedFor(foreign);
  const isForeign = new Set(foreign);
  const packages = found.map((each): SortedPackage => {
    if (each.signers.length === 0) return { found: each, how: "sign" };
    if (!isForeign.has(each)) return { found: each, how: "ours" };
    return { found: each, how: foreignSignatures === "keep" ? "keep" : "sign" };
  });
  const isKept = foreign.length > 0 && foreignSignatures === "keep";
  return { packages, warnings: isKept ? [keptWarning(foreign)] : [] };
}

function refusedFor(foreign: readonly FoundPackage[]): UserFault {
  const lines = foreign.map(
    ({ path, signers }) => `${basename(path)}: signed by ${signers.join(", ")}`,
  );
  return new UserFault("PACKAGE_SIGNED", shown(lines, FOREIGN_SHOWN_MAX).join("\n"), {
    hint:
      "Import again with --foreign resign, to sign copies with Tatara's key, or with " +
      "--foreign keep, to leave them as they are: then hosts need that key too (tatara key import).",
  });
}

function keptWarning(foreign: readonly FoundPackage[]): string {
  const keys = [...new Set(foreign.flatMap(({ signers }) => signers))].toSorted().join(", ");
  return `${foreign.length} packages keep a signature by ${keys}: hosts need that key, see \`tatara key import\`.`;
}
