import { open } from "node:fs/promises";
import { readChangelog } from "./changelog.ts";
import { readFileEntries } from "./file-entries.ts";
import type { Header } from "./header.ts";
import { SIGNATURE_TAG, TAG } from "./header-tags.ts";
import { numberOf, textOf, textsOf } from "./header-values.ts";
import { readRelations } from "./relations.ts";
import { parseHead, readHead } from "./rpm-head.ts";
import type { RpmHead } from "./rpm-head.ts";
import type { DigestAlgorithm, Payload, RpmPackage } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";
import { readScripts } from "./scripts.ts";
import { readSignatures } from "./signatures.ts";

export { RpmRefused } from "./rpm-refused.ts";

/**
 * Reads lead and headers, never the payload: no digest is checked, see `checkDigests`. Throws
 * `RpmRefused`, and what `open` throws if there is no such file.
 */
export async function readRpm(path: string): Promise<RpmPackage> {
  const file = await open(path, "r");
  try {
    return describe(await readHead(file));
  } finally {
    await file.close();
  }
}

/** The same, from bytes that begin with the lead and hold at least the headers. */
export function parseRpm(bytes: Buffer): RpmPackage {
  return describe(parseHead(bytes));
}

function describe({ signature, main, headerStart, headerEnd }: RpmHead): RpmPackage {
  const isSource = isSourcePackage(main);
  return {
    nevra: {
      name: requiredText(main, TAG.name, "name"),
      epoch: numberOf(main, 1003) ?? 0,
      version: requiredText(main, 1001, "version"),
      release: requiredText(main, 1002, "release"),
      arch: isSource ? sourceArch(main) : requiredText(main, 1022, "architecture"),
    },
    summary: textOf(main, 1004),
    description: textOf(main, 1005),
    license: textOf(main, 1014),
    vendor: textOf(main, 1011),
    packager: textOf(main, 1015),
    url: textOf(main, 1020),
    group: textOf(main, 1016),
    buildHost: textOf(main, 1007),
    sourceRpm: textOf(main, 1044),
    buildTime: numberOf(main, 1006) ?? 0,
    installedBytes: numberOf(main, 5009) ?? numberOf(main, 1009) ?? 0,
    archiveBytes: archiveBytes(signature, main),
    headerStart,
    headerEnd,
    relations: readRelations(main),
    files: readFileEntries(main),
    changelog: readChangelog(main),
    scripts: readScripts(main),
    signatures: readSignatures(signature),
    payload: readPayload(main),
  };
}

function requiredText(main: Header, tag: number, what: string): string {
  const text = textOf(main, tag);
  if (text === "") throw new RpmRefused("MALFORMED", `The RPM has no ${what}.`);
  return text;
}

/** Old source packages have no mark of their own; they are those that came from no source package. */
function isSourcePackage(main: Header): boolean {
  if (main.entries.has(TAG.sourcePackage)) return numberOf(main, TAG.sourcePackage) !== 0;
  return !main.entries.has(1044);
}

/** Some sources or patches are left out of a `nosrc` package. */
function sourceArch(main: Header): string {
  return main.entries.has(1051) || main.entries.has(1052) ? "nosrc" : "src";
}

function archiveBytes(signature: Header, main: Header): number {
  return (
    numberOf(signature, SIGNATURE_TAG.longArchiveSize) ??
    numberOf(signature, SIGNATURE_TAG.archiveSize) ??
    numberOf(main, TAG.archiveSize) ??
    0
  );
}

/** OpenPGP's numbers of digest algorithms (RFC 9580, section 9.5). */
const ALGORITHMS: ReadonlyMap<number, DigestAlgorithm> = new Map([
  [1, "md5"],
  [2, "sha1"],
  [8, "sha256"],
  [9, "sha384"],
  [10, "sha512"],
  [11, "sha224"],
]);

function readPayload(main: Header): Payload {
  return {
    format: textOf(main, 1124) || "cpio",
    compressor: textOf(main, 1125) || "gzip",
    digestAlgorithm: ALGORITHMS.get(numberOf(main, 5093) ?? 0),
    digest: textsOf(main, TAG.payloadDigest)[0],
  };
}
