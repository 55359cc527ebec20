import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** The three metadata files of a target, in the order in which `repomd.xml` names them. */
export const DOCUMENTS = ["primary", "filelists", "other"] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

/** One package's XML in each document; made once, never changed. */
export type Fragments = Readonly<Record<DocumentName, string>>;

export interface RepodataFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** A target's metadata but for the signature over `repomd`. */
export interface Repodata {
  readonly documents: readonly RepodataFile[];
  readonly repomd: Buffer;
}

/** What `repomd.xml` says about a document, whoever assembled it. */
export interface DocumentFacts {
  readonly document: DocumentName;
  readonly fileName: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly openSha256: string;
  readonly openSizeBytes: number;
}

export interface Revision {
  /** The generation's number: it only grows. */
  readonly number: number;
  readonly createdAt: number;
}

const gzipAsync = promisify(gzip);
const XML = '<?xml version="1.0" encoding="UTF-8"?>';
const LINUX = "http://linux.duke.edu/metadata";
const ROOTS = {
  primary: { tag: "metadata", names: `xmlns="${LINUX}/common" xmlns:rpm="${LINUX}/rpm"` },
  filelists: { tag: "filelists", names: `xmlns="${LINUX}/filelists"` },
  other: { tag: "otherdata", names: `xmlns="${LINUX}/other"` },
} as const satisfies Record<DocumentName, { tag: string; names: string }>;

/**
 * Assembles a target's metadata from its packages' fragments. Whole documents, in time that grows
 * with the list: the segment engine takes this function's place.
 */
export async function assembleRepodata(
  packages: readonly Fragments[],
  revision: Revision,
): Promise<Repodata> {
  const made = await Promise.all(DOCUMENTS.map((name) => assembleDocument(name, packages)));
  return {
    documents: made.map(({ facts, bytes }) => ({ name: facts.fileName, bytes })),
    repomd: Buffer.from(
      repomdXml(
        made.map(({ facts }) => facts),
        revision,
      ),
    ),
  };
}

async function assembleDocument(
  document: DocumentName,
  packages: readonly Fragments[],
): Promise<{ readonly facts: DocumentFacts; readonly bytes: Buffer }> {
  const { tag, names } = ROOTS[document];
  const head = `${XML}\n<${tag} ${names} packages="${packages.length}">\n`;
  const open = Buffer.from(
    [head, ...packages.map((fragments) => fragments[document]), `</${tag}>\n`].join(""),
  );
  const bytes = await gzipAsync(open);
  const sha256 = sha256Of(bytes);
  const fileName = `${sha256}-${document}.xml.gz`;
  const sizes = { sizeBytes: bytes.length, openSizeBytes: open.length };
  return { facts: { document, fileName, sha256, openSha256: sha256Of(open), ...sizes }, bytes };
}

export function repomdXml(documents: readonly DocumentFacts[], revision: Revision): string {
  const timestamp = Math.floor(revision.createdAt / 1000);
  const data = documents.map(
    (facts) => `  <data type="${facts.document}">
    <checksum type="sha256">${facts.sha256}</checksum>
    <open-checksum type="sha256">${facts.openSha256}</open-checksum>
    <location href="repodata/${facts.fileName}"/>
    <timestamp>${timestamp}</timestamp>
    <size>${facts.sizeBytes}</size>
    <open-size>${facts.openSizeBytes}</open-size>
  </data>
`,
  );
  return `${XML}
<repomd xmlns="${LINUX}/repo" xmlns:rpm="${LINUX}/rpm">
  <revision>${revision.number}</revision>
${data.join("")}</repomd>
`;
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
