import type { Header } from "./header.ts";
import { byteTextsOf, decodeText, numbersOf, textsOf } from "./header-values.ts";
import type { RpmFileEntry } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";

const BASENAMES = 1117;
const OLD_FILENAMES = 1027;
const FILE_TYPE_MASK = 0o170000;
const DIRECTORY = 0o040000;
const GHOST = 1 << 6;
const FILES_MAX = 500_000;
/** A folder's name is in the header once, but in the path of each of its files. */
const PATH_BYTES_MAX = 48 * 2 ** 20;

export function readFileEntries(header: Header): readonly RpmFileEntry[] {
  const count = header.entries.get(BASENAMES)?.count ?? 0;
  if (header.entries.has(OLD_FILENAMES)) {
    throw new RpmRefused("UNSUPPORTED", "The RPM lists its files in the way of rpm 3.");
  }
  if (count > FILES_MAX) {
    throw new RpmRefused("TOO_LARGE", `The RPM has ${count} files; ${FILES_MAX} are allowed.`);
  }
  const paths = readPaths(header);
  const modes = sameLength(numbersOf(header, 1030), count);
  const flags = sameLength(numbersOf(header, 1037), count);
  const sizes = lengthOrNone(numbersOf(header, header.entries.has(5008) ? 5008 : 1028), count);
  const digests = lengthOrNone(textsOf(header, 1035), count);
  const links = lengthOrNone(textsOf(header, 1036), count);
  const users = lengthOrNone(textsOf(header, 1039), count);
  const groups = lengthOrNone(textsOf(header, 1040), count);
  const times = lengthOrNone(numbersOf(header, 1034), count);
  return paths.map((path, item) => ({
    path,
    kind: kindOf(modes[item] ?? 0, flags[item] ?? 0),
    mode: modes[item] ?? 0,
    sizeBytes: sizes[item] ?? 0,
    digest: digests[item] ?? "",
    linkTarget: links[item] ?? "",
    flags: flags[item] ?? 0,
    user: users[item] ?? "",
    group: groups[item] ?? "",
    mtime: times[item] ?? 0,
  }));
}

function readPaths(header: Header): readonly string[] {
  const names = byteTextsOf(header, BASENAMES);
  const dirs = byteTextsOf(header, 1118);
  const dirIndexes = sameLength(numbersOf(header, 1116), names.length);
  if (dirs.length > names.length) {
    throw new RpmRefused("MALFORMED", "The RPM names more folders than it has files.");
  }
  let bytes = 0;
  return names.map((name, item) => {
    const dir = dirs[dirIndexes[item] ?? 0];
    if (dir === undefined) {
      throw new RpmRefused("MALFORMED", "The RPM has a file in a folder that it does not name.");
    }
    bytes += dir.length + name.length;
    if (bytes > PATH_BYTES_MAX) {
      throw new RpmRefused("TOO_LARGE", `The RPM's paths take more than ${PATH_BYTES_MAX} bytes.`);
    }
    return decodeText(dir + name);
  });
}

function kindOf(mode: number, flags: number): RpmFileEntry["kind"] {
  if ((mode & FILE_TYPE_MASK) === DIRECTORY) return "dir";
  return (flags & GHOST) === 0 ? "file" : "ghost";
}

function sameLength<T>(values: readonly T[], count: number): readonly T[] {
  if (values.length === count) return values;
  throw new RpmRefused(
    "MALFORMED",
    `The RPM has ${count} files, but ${values.length} facts of one kind.`,
  );
}

/** rpm leaves out what all files of a package lack. */
function lengthOrNone<T>(values: readonly T[], count: number): readonly T[] {
  return values.length === 0 ? values : sameLength(values, count);
}
