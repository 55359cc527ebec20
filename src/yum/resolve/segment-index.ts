import { isRich, isRpmlib, isVersioned } from "../../domain/rpm-relation.ts";
import { leavesOf, parseRich } from "../../domain/rich-dependency.ts";
import type { RpmPackage } from "../rpm/rpm-package.ts";
import {
  ENTRY_BYTES,
  PACKAGES_MAX,
  entryList,
  isInOrder,
  keysOf,
  ordinalsOf,
} from "./index-entries.ts";
import type { EntryRange } from "./index-entries.ts";

/**
 * What a name can be to a package. `requires`: any version will do. `requiresVersion`: not any, or
 * it is inside a rich dependency. `files`: everything but directories.
 */
export const SECTIONS = [
  "provides",
  "requires",
  "requiresVersion",
  "requiresPath",
  "conflicts",
  "obsoletes",
  "files",
  "directories",
] as const;
export type Section = (typeof SECTIONS)[number];

/**
 * Finds a segment's packages by a name, without their headers. It may find too many (a name's key
 * has 48 bits), never too few.
 */
export interface SegmentIndex {
  readonly packages: number;
  readonly bytes: number;
  /** Ordinals of packages in the segment, ascending. `key` is the name's `nameKey`. */
  find(section: Section, key: number): readonly number[];
  keys(section: Section): Iterable<number>;
}

/** `index.bin` is damaged, or of another version. The way out: make it again from the pool. */
export class IndexUnusable extends Error {
  override readonly name = "IndexUnusable";
}

const MAGIC = 0x31_58_49_54; // "TIX1", little-endian
/** Magic, count of packages, and a count of entries per section. */
const HEADER_BYTES = 8 + SECTIONS.length * 4;

/**
 * The content of a segment's `index.bin`: the header, then the entries of each section. Throws
 * RangeError for more than 65,536 packages or 32 million entries of one section.
 */
export function segmentIndex(packages: readonly RpmPackage[]): Buffer {
  if (packages.length > PACKAGES_MAX) throw new RangeError("Too many packages for one segment.");
  const lists = bySection(() => entryList());
  packages.forEach((rpm, ordinal) =>
    addPackage(rpm, (section, name) => lists[section].add(name, ordinal)),
  );
  const sections = SECTIONS.map((section) => lists[section].sorted());
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt32LE(packages.length, 4);
  sections.forEach(({ byteLength }, number) =>
    header.writeUInt32LE(byteLength / ENTRY_BYTES, 8 + number * 4),
  );
  return Buffer.concat([header, ...sections]);
}

function addPackage(
  { relations, files }: RpmPackage,
  add: (section: Section, name: string) => void,
): void {
  for (const { name } of relations.provides) add("provides", name);
  for (const { name } of relations.conflicts) add("conflicts", name);
  for (const { name } of relations.obsoletes) add("obsoletes", name);
  for (const { path, kind } of files) add(kind === "dir" ? "directories" : "files", path);
  for (const relation of relations.requires) {
    if (isRpmlib(relation)) continue;
    if (!isRich(relation)) {
      add(requiredIn(relation.name, isVersioned(relation)), relation.name);
      continue;
    }
    const rich = parseRich(relation.name);
    if (rich === undefined) continue;
    for (const { relation: leaf } of leavesOf(rich)) add(requiredIn(leaf.name, true), leaf.name);
  }
}

function requiredIn(name: string, needsVersion: boolean): Section {
  if (name.startsWith("/")) return "requiresPath";
  return needsVersion ? "requiresVersion" : "requires";
}

/** Throws `IndexUnusable`. */
export function openSegmentIndex(bytes: Buffer): SegmentIndex {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC)
    throw new IndexUnusable("This is no index of a segment.");
  const packages = bytes.readUInt32LE(4);
  const ranges = readRanges(bytes);
  if (SECTIONS.some((section) => !isInOrder(ranges[section], packages)))
    throw new IndexUnusable("Its entries are out of order.");
  return {
    packages,
    bytes: bytes.length,
    find: (section, key) => ordinalsOf(ranges[section], key),
    keys: (section) => keysOf(ranges[section]),
  };
}

function readRanges(bytes: Buffer): Readonly<Record<Section, EntryRange>> {
  const body = bytes.length - HEADER_BYTES;
  if (body % ENTRY_BYTES !== 0) throw new IndexUnusable("Its last entry is cut off.");
  // A copy of its own is aligned; a Buffer may not be.
  const words = new Uint32Array(Uint8Array.from(bytes.subarray(HEADER_BYTES)).buffer);
  let start = 0;
  const ranges = bySection((number) => {
    const end = start + bytes.readUInt32LE(8 + number * 4);
    const range = { words, start, end };
    start = end;
    return range;
  });
  if (start * ENTRY_BYTES !== body)
    throw new IndexUnusable(`It says ${start} entries and has ${body / ENTRY_BYTES}.`);
  return ranges;
}

function bySection<T>(make: (number: number) => T): Record<Section, T> {
  return Object.fromEntries(SECTIONS.map((section, number) => [section, make(number)])) as Record<
    Section,
    T
  >;
}
