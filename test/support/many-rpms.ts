import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { yumLayout } from "../../src/yum/layout.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";

/**
 * Thousands of RPMs from a few: a name in the headers is replaced by one of the same length, and the
 * digests over the headers are made true again. Every reader of metadata takes them for real, and
 * `rpm --checksig` too; the payload keeps the old paths, so they cannot be installed.
 */
export interface Seed {
  readonly bytes: Buffer;
  readonly nevra: string;
  readonly fileName: string;
  /** Offsets of the marker in lead and header. */
  readonly marks: readonly number[];
  readonly headerStart: number;
  readonly headerEnd: number;
  /** Offsets of what the signature header says of the header and payload. */
  readonly sha256At: number;
  readonly sha1At: number;
  readonly md5At: number | undefined;
}

export interface Copy extends ListedPackage {
  readonly bytes: Buffer;
}

const exec = promisify(execFile);
const MARKER = "qqqqqq";
const LEAD_BYTES = 96;
const BUILD_TIME = 1_700_000_000;
const TAG = { sha1: 269, sha256: 273, md5: 1004 };
/** As in a mixed channel: a few files, some, many. */
const FILES = [4, 6, 9, 14, 20, 28, 40, 61];

/** Runs rpmbuild once, in a second or two. */
export async function makeSeeds(): Promise<readonly Seed[]> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-seeds-"));
  try {
    const spec = join(folder, "many.spec");
    await writeFile(spec, seedSpec());
    const defines = [
      `_topdir ${folder}`,
      "use_source_date_epoch_as_buildtime 1",
      "_buildhost seeds",
    ];
    const args = defines.flatMap((each) => ["--define", each]);
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(BUILD_TIME) };
    await exec("rpmbuild", ["-bb", ...args, spec], { env });
    const names = await readdir(join(folder, "RPMS", "noarch"));
    const paths = names.toSorted().map((name) => join(folder, "RPMS", "noarch", name));
    return await Promise.all(paths.map(async (path) => readSeed(path, await readFile(path))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The `number`-th package, always the same bytes. Below 36^6 they are all different. */
export function copyOf(seeds: readonly Seed[], number: number): Copy {
  const seed = seeds[number % seeds.length];
  if (seed === undefined) throw new Error("There are no seeds.");
  const name = number.toString(36).padStart(MARKER.length, "0");
  const bytes = Buffer.from(seed.bytes);
  for (const at of seed.marks) bytes.write(name, at, "latin1");
  const header = bytes.subarray(seed.headerStart, seed.headerEnd);
  bytes.write(createHash("sha256").update(header).digest("hex"), seed.sha256At, "latin1");
  bytes.write(createHash("sha1").update(header).digest("hex"), seed.sha1At, "latin1");
  if (seed.md5At !== undefined) {
    const rest = bytes.subarray(seed.headerStart);
    createHash("md5").update(rest).digest().copy(bytes, seed.md5At);
  }
  return {
    bytes,
    nevra: seed.nevra.replace(MARKER, name),
    fileName: seed.fileName.replace(MARKER, name),
    sha256: createHash("sha256").update(bytes).digest("hex"),
    sizeBytes: bytes.length,
  };
}

export interface ManyRpms {
  /** A yum folder, to whose pool they go; or a plain folder. */
  readonly into: { readonly yumDir: string } | { readonly folder: string };
  /** Numbers `from` to `from + count`. */
  readonly from?: number;
  readonly count: number;
  readonly workers?: number;
}

/** Writes RPMs, not fsynced, with several threads; in the order of their numbers. */
export async function writeManyRpms(
  seeds: readonly Seed[],
  { into, from = 0, count, workers = 2 }: ManyRpms,
): Promise<readonly ListedPackage[]> {
  const each = Math.ceil(count / workers);
  const parts = Array.from({ length: workers }, (_, i) => {
    const start = from + i * each;
    return { seeds, into, from: start, count: Math.max(0, Math.min(each, from + count - start)) };
  });
  const written = await Promise.all(parts.filter((part) => part.count > 0).map(writeInThread));
  return written.flat();
}

export interface WritePart {
  readonly seeds: readonly Seed[];
  readonly into: ManyRpms["into"];
  readonly from: number;
  readonly count: number;
}

async function writeInThread(part: WritePart): Promise<readonly ListedPackage[]> {
  const entry = new URL("./many-rpms-thread.ts", import.meta.url);
  const worker = new Worker(entry, { workerData: part, execArgv: [] });
  return await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** Body of a thread. */
export async function writePart(part: WritePart): Promise<readonly ListedPackage[]> {
  // A Buffer comes as a plain array of bytes from another thread.
  const seeds = part.seeds.map((seed) => ({ ...seed, bytes: Buffer.from(seed.bytes) }));
  const written: ListedPackage[] = [];
  for (let number = part.from; number < part.from + part.count; number += 1) {
    const { bytes, ...listed } = copyOf(seeds, number);
    const path =
      "yumDir" in part.into
        ? yumLayout(part.into.yumDir).package(listed)
        : join(part.into.folder, listed.fileName);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    await utimes(path, BUILD_TIME, BUILD_TIME);
    written.push(listed);
  }
  return written;
}

function readSeed(path: string, bytes: Buffer): Seed {
  const fileName = path.slice(path.lastIndexOf("/") + 1);
  const signature = readHeaderAt(bytes, LEAD_BYTES);
  const headerStart = LEAD_BYTES + Math.ceil((signature.end - LEAD_BYTES) / 8) * 8;
  const headerEnd = readHeaderAt(bytes, headerStart).end;
  const marks: number[] = [];
  for (let at = bytes.indexOf(MARKER); at !== -1 && at < headerEnd;) {
    marks.push(at);
    at = bytes.indexOf(MARKER, at + 1);
  }
  const [sha256At, sha1At] = [signature.offsetOf(TAG.sha256), signature.offsetOf(TAG.sha1)];
  if (sha256At === undefined || sha1At === undefined) throw new Error(`${path} has no digests.`);
  const md5At = signature.offsetOf(TAG.md5);
  const nevra = fileName.replace(/\.rpm$/, "");
  return { bytes, nevra, fileName, marks, headerStart, headerEnd, sha256At, sha1At, md5At };
}

/** Magic and version take 8 bytes, then the numbers of entries and of data bytes. */
function readHeaderAt(bytes: Buffer, start: number) {
  const entries = bytes.readUInt32BE(start + 8);
  const store = start + 16 + entries * 16;
  return {
    end: store + bytes.readUInt32BE(start + 12),
    offsetOf: (tag: number): number | undefined => {
      for (let at = start + 16; at < store; at += 16) {
        if (bytes.readUInt32BE(at) === tag) return store + bytes.readUInt32BE(at + 8);
      }
      return undefined;
    },
  };
}

function seedSpec(): string {
  const name = `many-${MARKER}`;
  const packages = FILES.map((count) => ({ count, full: `${name}-with${count}` }));
  const path = (full: string, i: number) => `/usr/share/${full}/part-${i % 5}/file-${i}.conf`;
  return [
    `Name: ${name}`,
    "Version: 1.4.0",
    "Release: 1",
    `Summary: Package ${MARKER} of many`,
    "License: Apache-2.0 AND MIT",
    "URL: https://example.org/many",
    "BuildArch: noarch",
    "%description",
    "Nothing by itself.",
    ...packages.flatMap(({ full, count }) => [
      `%package -n ${full}`,
      `Summary: Package ${MARKER} with ${count} files`,
      `Provides: capability(${MARKER}-${count}) = 1.4`,
      "Requires: /bin/sh",
      `%description -n ${full}`,
      `Package ${MARKER} is one of many. It has ${count} files, each of them as small as can be, and`,
      "this text, which is as long as those that people write about their packages.",
    ]),
    "%install",
    ...packages.flatMap(({ full, count }) => [
      `for i in 0 1 2 3 4; do mkdir -p %{buildroot}/usr/share/${full}/part-$i; done`,
      `for i in $(seq 0 ${count - 1}); do echo $i > %{buildroot}/usr/share/${full}/part-$((i % 5))/file-$i.conf; done`,
    ]),
    ...packages.flatMap(({ full, count }) => [
      `%files -n ${full}`,
      ...Array.from({ length: count }, (_, i) => path(full, i)),
    ]),
    "%changelog",
    ...Array.from({ length: 10 }, (_, i) => [
      `* ${["Mon", "Sun", "Sat", "Fri", "Thu", "Wed", "Tue"][i % 7]} Jan ${String(29 - i).padStart(2, "0")} 2024 Ada Example <ada@example.com> - 1.${10 - i}.0-1`,
      `- Release 1.${10 - i}.0 of ${MARKER}, with what people asked for in issue ${400 - i * 7}`,
      "",
    ]).flat(),
  ].join("\n");
}
