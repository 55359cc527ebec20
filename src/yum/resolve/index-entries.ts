import { nameKey } from "./name-key.ts";

export const ENTRY_BYTES = 8;
/** Ordinals take 16 bits. */
export const PACKAGES_MAX = 65_536;
const ENTRIES_MAX = 32_000_000;

/**
 * Which package has which name, as 64-bit numbers that sort by name: 48 bits of the name's key above
 * 16 bits of the package's ordinal, little-endian.
 */
export interface EntryList {
  add(name: string, ordinal: number): void;
  /** Ascending, without doubles. */
  sorted(): Uint8Array;
}

/** Throws RangeError above 32 million entries. */
export function entryList(): EntryList {
  let words = new Uint32Array(1_024);
  let length = 0;
  return {
    add(name, ordinal) {
      if (length / 2 >= ENTRIES_MAX) throw new RangeError("Too many names for one segment.");
      if (length === words.length) {
        const wider = new Uint32Array(length * 2);
        wider.set(words);
        words = wider;
      }
      const key = nameKey(name);
      words[length++] = (key % 65_536) * 65_536 + ordinal;
      words[length++] = Math.floor(key / 65_536);
    },
    sorted() {
      const keys = new BigUint64Array(words.buffer, 0, length / 2).sort();
      let kept = 0;
      for (const key of keys) if (kept === 0 || keys[kept - 1] !== key) keys[kept++] = key;
      return new Uint8Array(words.buffer, 0, kept * ENTRY_BYTES);
    },
  };
}

/** Entries as they are in `index.bin`; `start` and `end` count entries. */
export interface EntryRange {
  readonly words: Uint32Array;
  readonly start: number;
  readonly end: number;
}

/** The ordinals of one name, ascending. */
export function ordinalsOf({ words, start, end }: EntryRange, key: number): readonly number[] {
  const high = Math.floor(key / 65_536);
  const low = (key % 65_536) * 65_536;
  const found: number[] = [];
  for (let at = lowerBound({ words, start, end }, high, low); at < end; at++) {
    const word = words[at * 2] ?? 0;
    if (words[at * 2 + 1] !== high || word - (word & 0xffff) !== low) break;
    found.push(word & 0xffff);
  }
  return found;
}

function lowerBound({ words, start, end }: EntryRange, high: number, low: number): number {
  let from = start;
  let to = end;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const above = words[middle * 2 + 1] ?? 0;
    const isBefore = above < high || (above === high && (words[middle * 2] ?? 0) < low);
    if (isBefore) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The key of each name, ascending. */
export function* keysOf({ words, start, end }: EntryRange): Iterable<number> {
  let last = -1;
  for (let at = start; at < end; at++) {
    const key = keyAt(words, at);
    if (key !== last) yield key;
    last = key;
  }
}

/** Is each entry above the one before it, and of a package below `packages`? */
export function isInOrder({ words, start, end }: EntryRange, packages: number): boolean {
  for (let at = start; at < end; at++) {
    if (((words[at * 2] ?? 0) & 0xffff) >= packages) return false;
    if (at === start) continue;
    const above = words[at * 2 + 1] ?? 0;
    const before = words[at * 2 - 1] ?? 0;
    if (above < before) return false;
    if (above === before && (words[at * 2] ?? 0) <= (words[at * 2 - 2] ?? 0)) return false;
  }
  return true;
}

function keyAt(words: Uint32Array, at: number): number {
  return (words[at * 2 + 1] ?? 0) * 65_536 + ((words[at * 2] ?? 0) >>> 16);
}
