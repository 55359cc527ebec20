import { SaxesParser } from "saxes";

/** One metadata file, as `repomd.xml` describes it. */
export interface MetadataFile {
  readonly href: string;
  readonly checksum: string;
  /** As Node calls the algorithm. */
  readonly algorithm: string;
  readonly compression: "gzip" | "zstd" | "xz" | "none";
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  sha: "sha1",
  sha1: "sha1",
  sha224: "sha224",
  sha256: "sha256",
  sha384: "sha384",
  sha512: "sha512",
};

/** The metadata files by their type, e.g. `primary`. Throws Error for what is no such XML. */
export function parseRepomd(text: string): ReadonlyMap<string, MetadataFile> {
  const files = new Map<string, MetadataFile>();
  let type = "";
  let algorithm = "";
  let checksum = "";
  let href = "";
  let isChecksum = false;
  const parser = new SaxesParser();
  parser.on("opentag", ({ name, attributes }) => {
    isChecksum = name === "checksum";
    if (name === "data") {
      type = attributes["type"] ?? "";
      href = checksum = "";
    }
    if (name === "location") href = attributes["href"] ?? "";
    if (isChecksum) algorithm = attributes["type"] ?? "";
  });
  parser.on("text", (part) => {
    if (isChecksum) checksum += part.trim();
  });
  parser.on("closetag", ({ name }) => {
    isChecksum = false;
    const known = ALGORITHMS[algorithm];
    if (name !== "data" || href === "" || known === undefined) return;
    files.set(type, { href, checksum, algorithm: known, compression: compressionOf(href) });
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.write(text).close();
  return files;
}

function compressionOf(href: string): MetadataFile["compression"] {
  if (href.endsWith(".gz")) return "gzip";
  if (href.endsWith(".zst")) return "zstd";
  if (href.endsWith(".xz")) return "xz";
  if (href.endsWith(".xml")) return "none";
  throw new Error(`${href} is compressed in a way that Tatara does not read (gz, zst and xz are).`);
}
