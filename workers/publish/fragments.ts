import { constants } from "node:fs";
import { chown, link, lstat, mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { makeFolder, syncPath, writeSynced } from "./durable.ts";
import { DOCUMENTS } from "./repodata.ts";
import type { DocumentName, Fragments } from "./repodata.ts";
import { isRoot, NOBODY, runConfined } from "./run-command.ts";

/** An RPM, signed or not, by the digest and size of its file. */
export interface RpmFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly fileName: string;
}

/** Every pooled package's XML, made by createrepo_c once and kept for ever. */
export interface FragmentStore {
  /** Reads RPMs in a child; by sha256. `folder` is made, to work in. */
  draft(
    files: readonly (RpmFile & { readonly path: string })[],
    folder: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Fragments>>;
  /** Keeps the fragments of a final file: to be read at once, on the disk when it resolves. */
  keep(sha256: string, fragments: Fragments, folder: string): Promise<void>;
  /** Of packages whose fragments were kept at some time. */
  read(sha256s: readonly string[]): Promise<readonly Fragments[]>;
}

const MAKE_TIMEOUT_MS = 600_000;
const CHANGELOG_MAX = "10";
const DOCUMENT_BYTES_MAX = 512 * 2 ** 20;
const KEPT_CHARACTERS_MAX = 64 * 2 ** 20;
/** Not allowed in XML at all. createrepo_c passes them on, and each client would refuse the channel. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const gunzipAsync = promisify(gunzip);

export function openFragments(yumDir: string): FragmentStore {
  const pathOf = (sha256: string, name: DocumentName): string =>
    join(yumDir, "fragments", sha256.slice(0, 2), `${sha256}.${name}.xml`);
  const recent = recentFragments();
  const beingKept = new Map<string, Fragments>();

  const readOne = async (sha256: string): Promise<Fragments> => {
    const known = recent.get(sha256) ?? beingKept.get(sha256);
    if (known !== undefined) return known;
    const text = (name: DocumentName) => readFile(pathOf(sha256, name), "utf8");
    const read = await Promise.all([text("primary"), text("filelists"), text("other")]);
    const fragments = { primary: read[0], filelists: read[1], other: read[2] };
    recent.set(sha256, fragments);
    return fragments;
  };

  // All three, since a crash may have come between them.
  const isKept = async (sha256: string): Promise<boolean> => {
    const found = DOCUMENTS.map((name) => stat(pathOf(sha256, name)).catch(() => undefined));
    return (await Promise.all(found)).every((each) => each !== undefined);
  };

  return {
    draft: runCreaterepo,
    keep: async (sha256, fragments, folder) => {
      beingKept.set(sha256, fragments);
      try {
        if (await isKept(sha256)) return;
        await store(fragments, join(folder, sha256), (name) => pathOf(sha256, name));
        recent.set(sha256, fragments);
      } finally {
        beingKept.delete(sha256);
      }
    },
    read: (sha256s) => Promise.all(sha256s.map(readOne)),
  };
}

/**
 * The fragments of a signed file, from those of the same file before it was signed. A signature
 * stands in front of the header that they describe: it changes the file's digest and size, and
 * moves the header. Nothing else, and that is checked.
 */
export function finishFragments(
  draft: Fragments | undefined,
  from: RpmFile,
  to: RpmFile,
): Fragments {
  if (draft === undefined || DOCUMENTS.some((name) => FORBIDDEN.test(draft[name]))) {
    const message = `${from.fileName}: its metadata cannot be written as XML.`;
    const hint = "Look for control characters in its texts, file names and changelog.";
    throw new UserFault("PACKAGE_INVALID", message, { hint });
  }
  const growth = to.sizeBytes - from.sizeBytes;
  const digest = [`pkgid="${from.sha256}"`, `pkgid="${to.sha256}"`] as const;
  const range = /<rpm:header-range start="(\d+)" end="(\d+)"\/>/;
  const [oldRange = "", start, end] = range.exec(draft.primary) ?? [];
  const moved = [Number(start) + growth, Number(end) + growth] as const;
  return {
    primary: replaceEach(draft.primary, [
      [`pkgid="YES">${from.sha256}<`, `pkgid="YES">${to.sha256}<`],
      [`<size package="${from.sizeBytes}"`, `<size package="${to.sizeBytes}"`],
      [`<location href="p/${from.sha256}/`, `<location href="p/${to.sha256}/`],
      [oldRange, `<rpm:header-range start="${moved[0]}" end="${moved[1]}"/>`],
    ]),
    filelists: replaceEach(draft.filelists, [digest]),
    other: replaceEach(draft.other, [digest]),
  };
}

/** Each must be there exactly once. */
function replaceEach(text: string, pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce((changed, [from, to]) => {
    const [before = "", after, ...more] = changed.split(from);
    if (from === "" || after === undefined || more.length > 0) {
      throw new InfraFault("PUBLISH_FAILED", `createrepo_c wrote no such text once: ${from}`);
    }
    return `${before}${to}${after}`;
  }, text);
}

/** Runs in a child that cannot read the key, for it parses what a build made. */
async function runCreaterepo(
  files: readonly (RpmFile & { readonly path: string })[],
  folder: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Fragments>> {
  await mkdir(folder);
  if (isRoot()) await chown(folder, NOBODY, NOBODY);
  // The path below the folder becomes the location that clients ask for.
  const distinct = new Map(files.map((file) => [file.sha256, file]));
  await Promise.all(
    [...distinct.values()].map(async ({ sha256, fileName, path }) => {
      await mkdir(join(folder, "p", sha256), { recursive: true });
      await link(path, join(folder, "p", sha256, fileName));
    }),
  );
  const form = ["--no-database", "--simple-md-filenames", "--checksum", "sha256", "--quiet"];
  const args = [...form, "--changelog-limit", CHANGELOG_MAX, "."];
  const options = { cwd: folder, timeoutMs: MAKE_TIMEOUT_MS };
  const { code, stderr } = await runConfined("createrepo_c", args, options, signal);
  if (code !== 0) {
    throw new InfraFault(
      "PUBLISH_FAILED",
      `createrepo_c ended with ${code}: ${stderr.slice(-500)}`,
    );
  }
  await takeBack(folder);
  const [primary, filelists, other] = await Promise.all([
    readDocument(folder, "primary"),
    readDocument(folder, "filelists"),
    readDocument(folder, "other"),
  ]);
  return new Map(
    [...distinct.keys()].flatMap((sha256): [string, Fragments][] => {
      const fragments = [primary.get(sha256), filelists.get(sha256), other.get(sha256)] as const;
      const [first, second, third] = fragments;
      if (first === undefined || second === undefined || third === undefined) return [];
      return [[sha256, { primary: first, filelists: second, other: third }]];
    }),
  );
}

/** From here on nobody can put a link where we are going to read. */
async function takeBack(folder: string): Promise<void> {
  if (isRoot()) await chown(folder, 0, 0);
  const made = await lstat(join(folder, "repodata"));
  if (!made.isDirectory()) throw new InfraFault("PUBLISH_FAILED", "createrepo_c made no folder.");
}

async function readDocument(folder: string, name: DocumentName) {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const path = join(folder, "repodata", `${name}.xml.gz`);
  // What a child without rights left may be a link, or a pipe that never ends.
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) {
      throw new InfraFault("PUBLISH_FAILED", `createrepo_c made no file ${name}.xml.gz.`);
    }
    const xml = await gunzipAsync(await file.readFile(), { maxOutputLength: DOCUMENT_BYTES_MAX });
    return splitDocument(xml.toString("utf8"));
  } finally {
    await file.close();
  }
}

/** A document's packages by their sha256. All text in it is escaped, so tags are only tags. */
export function splitDocument(xml: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [fragment] of xml.matchAll(/<package [\s\S]*?<\/package>\n/g)) {
    const sha256 = /pkgid="(?:YES">)?([0-9a-f]{64})/.exec(fragment)?.[1];
    if (sha256 !== undefined) found.set(sha256, fragment);
  }
  return found;
}

async function store(
  fragments: Fragments,
  staged: string,
  pathOf: (name: DocumentName) => string,
): Promise<void> {
  await Promise.all([
    makeFolder(dirname(pathOf("primary"))),
    ...DOCUMENTS.map((name) => writeSynced(`${staged}.${name}`, fragments[name])),
  ]);
  await Promise.all(DOCUMENTS.map((name) => rename(`${staged}.${name}`, pathOf(name))));
  await syncPath(dirname(pathOf("primary")));
}

/** The fragments used last, so that a small channel is assembled without reading files. */
function recentFragments() {
  const kept = new Map<string, Fragments>();
  let characters = 0;
  const sizeOf = (fragments: Fragments): number =>
    DOCUMENTS.reduce((sum, name) => sum + fragments[name].length, 0);

  return {
    get: (sha256: string): Fragments | undefined => kept.get(sha256),
    set: (sha256: string, fragments: Fragments): void => {
      if (kept.has(sha256)) return;
      kept.set(sha256, fragments);
      characters += sizeOf(fragments);
      for (const [oldest, dropped] of kept) {
        if (characters <= KEPT_CHARACTERS_MAX) return;
        kept.delete(oldest);
        characters -= sizeOf(dropped);
      }
    },
  };
}
