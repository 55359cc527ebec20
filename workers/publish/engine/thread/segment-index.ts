import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { YumLayout } from "../../../../src/yum/layout.ts";
import { ENTRY_BYTES } from "../../../../src/yum/resolve/index-entries.ts";
import { openSegmentIndex, SECTIONS } from "../../../../src/yum/resolve/segment-index.ts";

export const INDEX_FILE = "index.bin";

/** A segment that gives packages to another. */
export interface IndexSource {
  readonly id: string;
  /** Which of its packages go on, in their order. */
  readonly isKept: readonly boolean[];
}

const HEADER_BYTES = 8 + SECTIONS.length * 4;
const ORDINALS = 65_536n;

/**
 * The index of a segment made of others: what `segmentIndex` would make of the packages, without
 * reading them. An entry is a name's key above the package's 16-bit ordinal, so only ordinals change.
 */
export async function joinIndexes(
  layout: YumLayout,
  sources: readonly IndexSource[],
): Promise<Buffer> {
  const lists: bigint[][] = SECTIONS.map(() => []);
  const header = Buffer.alloc(HEADER_BYTES);
  let packages = 0;
  for (const { id, isKept } of sources) {
    const bytes = await readFile(join(layout.segment(id), INDEX_FILE));
    // Throws if it is damaged.
    openSegmentIndex(bytes);
    const ordinals = isKept.map((kept) => (kept ? BigInt(packages++) : undefined));
    addEntries(bytes, ordinals, lists);
    bytes.copy(header, 0, 0, 4);
  }
  header.writeUInt32LE(packages, 4);
  const sections = lists.map((entries) => BigUint64Array.from(entries).sort());
  sections.forEach(({ length }, i) => header.writeUInt32LE(length, 8 + i * 4));
  return Buffer.concat([header, ...sections.map(({ buffer }) => new Uint8Array(buffer))]);
}

function addEntries(
  bytes: Buffer,
  ordinals: readonly (bigint | undefined)[],
  lists: readonly bigint[][],
): void {
  let at = HEADER_BYTES;
  lists.forEach((list, section) => {
    const end = at + bytes.readUInt32LE(8 + section * 4) * ENTRY_BYTES;
    for (; at < end; at += ENTRY_BYTES) {
      const entry = bytes.readBigUInt64LE(at);
      const ordinal = ordinals[Number(entry % ORDINALS)];
      if (ordinal !== undefined) list.push(entry - (entry % ORDINALS) + ordinal);
    }
  });
}
