import { LINUX, XML } from "./documents.ts";
import { DOCUMENTS } from "./layout.ts";
import type { ExtraDocument, View } from "./target-state.ts";

/** What `repomd.xml` says about one file. */
export interface RepomdEntry {
  readonly type: string;
  readonly fileName: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Left out where null, and where the file is not compressed. */
  readonly openSha256: string | null;
  readonly openSizeBytes: number;
}

export function repomdEntries(
  documents: View["documents"],
  extras: readonly ExtraDocument[],
): readonly RepomdEntry[] {
  return [...DOCUMENTS.map((type) => ({ type, ...documents[type] })), ...extras];
}

/** `revision` is the generation's number: it only grows. */
export function repomdXml(
  entries: readonly RepomdEntry[],
  { revision, createdAt }: { readonly revision: number; readonly createdAt: number },
): string {
  const timestamp = Math.floor(createdAt / 1000);
  return `${XML}
<repomd xmlns="${LINUX}/repo" xmlns:rpm="${LINUX}/rpm">
  <revision>${revision}</revision>
${entries.map((entry) => entryXml(entry, timestamp)).join("")}</repomd>
`;
}

function entryXml(entry: RepomdEntry, timestamp: number): string {
  const isCompressed = entry.openSha256 !== entry.sha256;
  const openChecksum =
    isCompressed && entry.openSha256 !== null
      ? `\n    <open-checksum type="sha256">${entry.openSha256}</open-checksum>`
      : "";
  const openSize = isCompressed ? `\n    <open-size>${entry.openSizeBytes}</open-size>` : "";
  return `  <data type="${entry.type}">
    <checksum type="sha256">${entry.sha256}</checksum>${openChecksum}
    <location href="repodata/${entry.fileName}"/>
    <timestamp>${timestamp}</timestamp>
    <size>${entry.sizeBytes}</size>${openSize}
  </data>
`;
}
