import { createHash } from "node:crypto";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import { providersIn } from "./name-table.ts";
import { parseFilelists, parsePrimary } from "./parse-metadata.ts";
import { pathLookup } from "./path-lookup.ts";
import type { PathLookup } from "./path-lookup.ts";
import { readResource, type WebGet } from "./read-resource.ts";
import { parseRepomd } from "./repomd.ts";
import type { MetadataFile } from "./repomd.ts";

/** One state of a repository, as its `repomd.xml` names it. */
export interface Repository {
  /** Of `repomd.xml`, hexadecimal. */
  readonly sha256: string;
  readonly paths: PathLookup;
  /** Numbers of the packages that satisfy it, at most `max`. */
  providersOf(relation: RpmRelation, max: number): Promise<readonly number[]>;
}

const REPOMD_BYTES_MAX = 2 ** 20;
const METADATA_BYTES_MAX = 512 * 2 ** 20;
const READ_TIMEOUT_MS = 300_000;
/** Stands for whichever package has a path that only `filelists` knows. */
const SOME_PACKAGE = -1;

/**
 * Reads `repomd.xml` and `primary`; `filelists`, which is large, when the first path is asked for
 * that is not in `primary`. Answers `known` if that is still the repository's state. Throws Error
 * with a sentence.
 */
export async function readRepository(
  { url, get }: { readonly url: string; readonly get: WebGet },
  known: Repository | undefined,
  signal: AbortSignal,
): Promise<Repository> {
  const root = new URL(url.endsWith("/") ? url : `${url}/`);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]);
  const repomd = await readResource(new URL("repodata/repomd.xml", root), {
    bytesMax: REPOMD_BYTES_MAX,
    signal: limit,
    get,
  });
  const sha256 = createHash("sha256").update(repomd).digest("hex");
  if (sha256 === known?.sha256) {
    known.paths.again();
    return known;
  }
  const files = parseRepomd(new TextDecoder().decode(repomd));
  const documents = documentsOf(root, files, get);
  const table = await documents.read("primary", parsePrimary, limit);
  const paths = pathLookup(() =>
    documents.read(
      "filelists",
      parseFilelists,
      AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]),
    ),
  );
  return {
    sha256,
    paths,
    async providersOf(relation, max) {
      const found = providersIn(table, relation, max);
      if (found.length > 0 || !relation.name.startsWith("/")) return found;
      return (await paths.has(relation.name)) ? [SOME_PACKAGE] : [];
    },
  };
}

type Parse<T> = (
  bytes: Uint8Array<ArrayBuffer>,
  file: MetadataFile,
  signal: AbortSignal,
) => Promise<T>;

function documentsOf(root: URL, files: ReadonlyMap<string, MetadataFile>, get: WebGet) {
  return {
    async read<T>(type: string, parse: Parse<T>, signal: AbortSignal): Promise<T> {
      const file = files.get(type);
      if (file === undefined) throw new Error(`Its repomd.xml names no ${type}.`);
      const place = new URL(file.href, root);
      if (!place.href.startsWith(root.href))
        throw new Error(`Its repomd.xml names ${file.href}, which is outside of it.`);
      const bytes = await readResource(place, { bytesMax: METADATA_BYTES_MAX, signal, get });
      return await parse(bytes, file, signal);
    },
  };
}
