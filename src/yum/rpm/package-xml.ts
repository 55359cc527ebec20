import type { Nevra } from "../../domain/nevra.ts";
import type { RpmFileEntry } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";
import { escapeAttribute, escapeText } from "./xml-text.ts";

/** Parts of a package's element that more than one document has. */

/** Real packages stay far below: 200,000 files take some 20 million characters. */
export const DOCUMENT_CHARACTERS_MAX = 64 * 2 ** 20;

export function versionXml({ epoch, version, release }: Nevra): string {
  return `<version epoch="${epoch}" ver="${escapeAttribute(version)}" rel="${escapeAttribute(release)}"/>`;
}

/** createrepo_c knows no `nosrc`. */
export function writtenArch({ arch }: Nevra): string {
  return arch === "nosrc" ? "src" : arch;
}

/** Is a file listed in the primary document too? Clients need the file lists for the others. */
export function isPrimaryPath(path: string): boolean {
  return path.startsWith("/etc/") || path === "/usr/lib/sendmail" || path.includes("bin/");
}

export function filesXml(files: readonly RpmFileEntry[], indent: string): string {
  let xml = "";
  for (const { path, kind } of files) {
    const type = kind === "file" ? "" : ` type="${kind}"`;
    xml += `${indent}<file${type}>${escapeText(path)}</file>\n`;
    if (xml.length > DOCUMENT_CHARACTERS_MAX) throw tooLarge();
  }
  return xml;
}

export function tooLarge(): RpmRefused {
  return new RpmRefused(
    "TOO_LARGE",
    `The RPM's metadata take more than ${DOCUMENT_CHARACTERS_MAX} characters of XML.`,
  );
}
