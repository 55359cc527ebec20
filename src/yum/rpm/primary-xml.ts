import { filesXml, isPrimaryPath, versionXml, writtenArch } from "./package-xml.ts";
import type { Relation, RelationKind, RpmPackage } from "./rpm-package.ts";
import { writtenRelations } from "./written-relations.ts";
import { escapeAttribute, escapeText } from "./xml-text.ts";

/** The RPM as a file, whatever is in it. */
export interface PackageFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly fileName: string;
  readonly mtimeSeconds: number;
}

/** In the order in which createrepo_c writes them. */
const RELATION_KINDS: readonly RelationKind[] = [
  "provides",
  "requires",
  "conflicts",
  "obsoletes",
  "suggests",
  "enhances",
  "recommends",
  "supplements",
];

export function primaryXml(rpm: RpmPackage, file: PackageFile): string {
  const { nevra } = rpm;
  const relations = writtenRelations(rpm);
  const primaryFiles = rpm.files.filter(({ path }) => isPrimaryPath(path));
  return `<package type="rpm">
  <name>${escapeText(nevra.name)}</name>
  <arch>${escapeText(writtenArch(nevra))}</arch>
  ${versionXml(nevra)}
  <checksum type="sha256" pkgid="YES">${escapeText(file.sha256)}</checksum>
  <summary>${escapeText(rpm.summary)}</summary>
  <description>${escapeText(rpm.description)}</description>
  <packager>${escapeText(rpm.packager)}</packager>
  <url>${escapeText(rpm.url)}</url>
  <time file="${file.mtimeSeconds}" build="${rpm.buildTime}"/>
  <size package="${file.sizeBytes}" installed="${rpm.installedBytes}" archive="${rpm.archiveBytes}"/>
  <location href="${escapeAttribute(`p/${file.sha256}/${file.fileName}`)}"/>
  <format>
    <rpm:license>${escapeText(rpm.license)}</rpm:license>
    <rpm:vendor>${escapeText(rpm.vendor)}</rpm:vendor>
    <rpm:group>${escapeText(rpm.group)}</rpm:group>
    <rpm:buildhost>${escapeText(rpm.buildHost)}</rpm:buildhost>
    <rpm:sourcerpm>${escapeText(rpm.sourceRpm)}</rpm:sourcerpm>
    <rpm:header-range start="${rpm.headerStart}" end="${rpm.headerEnd}"/>
${RELATION_KINDS.map((kind) => relationsXml(kind, relations[kind])).join("")}${filesXml(primaryFiles, "    ")}  </format>
</package>
`;
}

function relationsXml(kind: RelationKind, relations: readonly Relation[]): string {
  if (relations.length === 0) return "";
  const entries = relations.filter(({ name }) => name !== "").map((each) => entryXml(kind, each));
  if (entries.length === 0) return `    <rpm:${kind}/>\n`;
  return `    <rpm:${kind}>\n${entries.join("")}    </rpm:${kind}>\n`;
}

function entryXml(kind: RelationKind, relation: Relation): string {
  const { name, comparison, epoch, version, release, isPre } = relation;
  const range =
    comparison === ""
      ? ""
      : ` flags="${comparison}"${attribute("epoch", epoch)}${attribute("ver", version)}${attribute("rel", release)}`;
  const pre = kind === "requires" && isPre ? ' pre="1"' : "";
  return `      <rpm:entry name="${escapeAttribute(name)}"${range}${pre}/>\n`;
}

function attribute(name: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : ` ${name}="${escapeAttribute(value)}"`;
}
