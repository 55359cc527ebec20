import {
  DOCUMENT_CHARACTERS_MAX,
  filesXml,
  tooLarge,
  versionXml,
  writtenArch,
} from "./package-xml.ts";
import { primaryXml } from "./primary-xml.ts";
import type { PackageFile } from "./primary-xml.ts";
import type { ChangelogEntry, RpmPackage } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";
import { escapeAttribute, escapeText } from "./xml-text.ts";

export type { PackageFile } from "./primary-xml.ts";
export type DocumentName = "primary" | "filelists" | "other";
/** A package's element in each document; each ends with a newline. */
export type Fragments = Readonly<Record<DocumentName, string>>;

const CHANGELOG_MAX = 10;
/** Beyond it createrepo_c's time is negative, and equals no other. */
const TIME_MAX = 0x7fffffff;
/** Not allowed in XML at all: each client would refuse the whole channel. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/**
 * What `createrepo_c --no-database --changelog-limit 10` writes about a package at
 * `p/<sha256>/<fileName>`, byte for byte. Throws `RpmRefused` if XML cannot say it.
 */
export function fragmentsOf(
  rpm: RpmPackage,
  file: PackageFile,
  /** Entries of the same time cost their number's square: some hundred are fine. */
  options: { readonly changelogMax?: number } = {},
): Fragments {
  const { changelogMax = CHANGELOG_MAX } = options;
  return {
    primary: checked(primaryXml(rpm, file)),
    filelists: checked(packageXml(rpm, file, filesXml(rpm.files, "  "))),
    other: checked(packageXml(rpm, file, changelogXml(rpm.changelog.slice(0, changelogMax)))),
  };
}

function packageXml({ nevra }: RpmPackage, { sha256 }: PackageFile, content: string): string {
  return `<package pkgid="${escapeAttribute(sha256)}" name="${escapeAttribute(nevra.name)}" arch="${escapeAttribute(writtenArch(nevra))}">
  ${versionXml(nevra)}
${content}</package>
`;
}

/** Oldest first. */
function changelogXml(newestFirst: readonly ChangelogEntry[]): string {
  const times = distinctTimes(newestFirst);
  const entries = newestFirst.map(({ author, text }, item) => {
    const name = escapeAttribute(withoutTrailingSpaces(author));
    return `  <changelog author="${name}" date="${times[item]}">${escapeText(text)}</changelog>\n`;
  });
  return entries.toReversed().join("");
}

/** Clients sort by time, so entries of the same time are moved a second apart, as createrepo_c does. */
function distinctTimes(newestFirst: readonly ChangelogEntry[]): readonly number[] {
  const times: number[] = [];
  for (const [item, { time }] of newestFirst.entries()) {
    times.push(time);
    if (time > TIME_MAX || newestFirst[item - 1]?.time !== time) continue;
    for (let newer = item - 1, taken = time; times[newer] === taken; newer -= 1) {
      taken += 1;
      times[newer] = taken;
    }
  }
  return times;
}

/** The first character stays whatever it is. */
function withoutTrailingSpaces(author: string): string {
  let end = author.length;
  while (end > 1 && author[end - 1] === " ") end -= 1;
  return author.slice(0, end);
}

function checked(xml: string): string {
  if (xml.length > DOCUMENT_CHARACTERS_MAX) throw tooLarge();
  if (FORBIDDEN.test(xml) || !xml.isWellFormed()) {
    throw new RpmRefused(
      "MALFORMED",
      "The RPM's metadata cannot be written as XML: look for control characters in its texts, file names and changelog.",
    );
  }
  return xml;
}
