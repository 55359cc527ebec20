import { createHash } from "node:crypto";
import type { Random } from "../random.ts";
import { applied, enter } from "./disk.ts";
import type { Disk, File, FileChange, Folder, NameChange, Node, Timed } from "./disk.ts";

/**
 * What may have become of all that was in memory when the power went. Programs may rely on none of it,
 * so each of these is a disk that they must be able to start from.
 */
export const LOSSES = {
  /** Only what was promised is there. */
  nothing: 1,
  /** All of it had reached the disk. */
  all: 1,
  /** Of each file and folder, changes up to some moment of its own. */
  prefix: 3,
  /** Any changes, in no order: disks and page caches keep none. */
  some: 3,
  /** Names and lengths, but no bytes: the file system wrote its journal first. */
  names: 2,
  /** Bytes, but no names. */
  bytes: 1,
  /** All up to some moment; the last write is cut within a sector's border. */
  torn: 3,
  /** Lengths, and rubbish where the bytes should be. */
  rubbish: 2,
} as const;
export type Loss = keyof typeof LOSSES;

/** A file of a crash image. Equal keys mean equal bytes. */
export interface Kept {
  readonly kind: "file" | "folder" | "symlink";
  readonly key: string;
  readonly bytes: () => Buffer;
}

/** What lies on the disk after the power came back, by path. */
export type CrashImage = ReadonlyMap<string, Kept>;

const SECTOR_BYTES = 512;
const NO_BYTES = (): Buffer => Buffer.alloc(0);
const FOLDER: Kept = { kind: "folder", key: "folder", bytes: NO_BYTES };

export function crashImage(disk: Disk, loss: Loss, random: Random): CrashImage {
  const image = new Map<string, Kept>();
  const choice = choiceOf(disk, loss, random);
  const walk = (folder: Folder, prefix: string): void => {
    for (const [name, node] of choice.names(folder)) {
      const path = `${prefix}${name}`;
      if (node.kind === "folder") {
        image.set(path, FOLDER);
        walk(node, `${path}/`);
      } else if (node.kind === "symlink") {
        const bytes = () => Buffer.from(node.target);
        image.set(path, { kind: "symlink", key: `to ${node.target}`, bytes });
      } else {
        image.set(path, choice.file(node));
      }
    }
  };
  walk(disk.root, "");
  return image;
}

interface Choice {
  names(folder: Folder): ReadonlyMap<string, Node>;
  file(file: File): Kept;
}

function choiceOf(disk: Disk, loss: Loss, random: Random): Choice {
  const groups = new Map<number, boolean>();
  const files = new Map<number, Kept>();
  const momentOf = loss === "torn" ? drawnMoment(disk, random) : undefined;
  // Both halves of a rename meet the same fate, whatever folder they are seen from.
  const isNamed = ({ endedAt, change }: Timed<NameChange>, share: number): boolean => {
    if (loss === "all" || loss === "names" || loss === "rubbish") return true;
    if (loss === "nothing" || loss === "bytes") return false;
    if (momentOf !== undefined) return endedAt <= momentOf;
    const known = groups.get(change.group);
    const drawn = known ?? random.next() < share;
    groups.set(change.group, drawn);
    return drawn;
  };
  return {
    names: (folder) => {
      if (folder.pending.length === 0) return folder.durable;
      const names = new Map(folder.durable);
      const upTo = loss === "prefix" ? random.integer(0, folder.pending.length) : Infinity;
      folder.pending.forEach((timed, at) => {
        const known = groups.get(timed.change.group);
        const isIn = loss === "prefix" ? (known ?? at < upTo) : isNamed(timed, 0.5);
        groups.set(timed.change.group, isIn);
        if (isIn) enter(names, timed.change);
      });
      return names;
    },
    file: (file) => {
      if (file.pending.length === 0) return durableOf(file);
      const known = files.get(file.id);
      const kept = known ?? keptOf(file, loss, random, momentOf);
      files.set(file.id, kept);
      return kept;
    },
  };
}

function drawnMoment(disk: Disk, random: Random): number {
  const moments = disk.pendingMoments();
  return moments[random.integer(0, Math.max(0, moments.length - 1))] ?? 0;
}

function durableOf({ id, version, durable }: File): Kept {
  return { kind: "file", key: `${id}.${version}`, bytes: () => durable };
}

function keptOf(file: File, loss: Loss, random: Random, moment: number | undefined): Kept {
  if (loss === "nothing") return durableOf(file);
  const bytes = survivors(file, loss, random, moment);
  const key = createHash("sha1").update(bytes).digest("hex");
  return { kind: "file", key, bytes: () => bytes };
}

function survivors(
  { durable, pending }: File,
  loss: Loss,
  random: Random,
  moment: number | undefined,
): Buffer {
  const changes = pending.map(({ change }) => change);
  switch (loss) {
    case "nothing":
      return durable;
    case "all":
    case "bytes":
      return applied(durable, changes);
    case "prefix":
      return applied(durable, changes.slice(0, random.integer(0, changes.length)));
    case "some":
      return applied(
        durable,
        changes.flatMap((change) => pagesOf(change, random)),
      );
    case "names":
      return applied(
        durable,
        changes.map((change) => emptied(change, durable)),
      );
    case "rubbish":
      return applied(
        durable,
        changes.map((change) => spoilt(change, random)),
      );
    case "torn": {
      const before = pending.filter(({ endedAt }) => endedAt <= (moment ?? 0));
      const whole = before.map(({ change }) => change);
      const last = whole.pop();
      return applied(durable, last === undefined ? whole : [...whole, torn(last, random)]);
    }
  }
}

const PAGE_BYTES = 4096;

/** Some of a write's pages; the page cache writes each when it likes. */
function pagesOf(change: FileChange, random: Random): readonly FileChange[] {
  if (change.kind === "resize") return random.chance(0.5) ? [change] : [];
  const pages: FileChange[] = [];
  const { at, bytes } = change;
  for (let from = 0; from < bytes.length;) {
    const next = Math.min(bytes.length, from + PAGE_BYTES - ((at + from) % PAGE_BYTES));
    const page = { kind: "write", at: at + from, bytes: bytes.subarray(from, next) } as const;
    if (random.chance(0.5)) pages.push(page);
    from = next;
  }
  return pages;
}

/** The file is as long as it should be; what was not on the disk before reads as zeros. */
function emptied(change: FileChange, durable: Buffer): FileChange {
  if (change.kind === "resize") return change;
  const bytes = Buffer.alloc(change.bytes.length);
  if (change.at < durable.length) durable.copy(bytes, 0, change.at);
  return { ...change, bytes };
}

function spoilt(change: FileChange, random: Random): FileChange {
  if (change.kind === "resize") return change;
  // The beginning may be right: what is cut there would be found by any length.
  const right = random.integer(0, Math.floor(change.bytes.length / SECTOR_BYTES)) * SECTOR_BYTES;
  const bytes = Buffer.from(change.bytes);
  for (let at = right; at < bytes.length; at += 1) bytes[at] = (at * 167 + right + 13) % 256;
  return { ...change, bytes };
}

function torn(change: FileChange, random: Random): FileChange {
  if (change.kind === "resize") return change;
  const sectors = Math.floor((change.bytes.length - 1) / SECTOR_BYTES);
  const end = random.integer(0, Math.max(0, sectors)) * SECTOR_BYTES;
  return { ...change, bytes: change.bytes.subarray(0, end) };
}

/** Names what the image has in a folder: equal digests need to be looked at once. */
export function digestOf(image: CrashImage, folder: string): string {
  const hash = createHash("sha1");
  for (const path of pathsIn(image, folder)) {
    hash.update(`${path}\n${image.get(path)?.key ?? ""}\n`);
  }
  return hash.digest("hex");
}

const sorted = new WeakMap<CrashImage, ReadonlyMap<string, readonly string[]>>();

/** Everything in a folder, in one order. An image is asked often, so it is sorted once. */
export function pathsIn(image: CrashImage, folder: string): readonly string[] {
  const tops =
    sorted.get(image) ?? Map.groupBy([...image.keys()].toSorted(), (path) => topOf(path));
  sorted.set(image, tops);
  const all = tops.get(topOf(folder)) ?? [];
  return folder.includes("/") ? all.filter((path) => path.startsWith(`${folder}/`)) : all;
}

function topOf(path: string): string {
  const cut = path.indexOf("/");
  return cut < 0 ? path : path.slice(0, cut);
}
