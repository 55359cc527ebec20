import { rangesMeet } from "../../domain/rpm-relation.ts";
import type { RpmRelation, VersionRange } from "../../domain/rpm-relation.ts";
import { nameKey } from "../resolve/name-key.ts";

/**
 * Who provides which names in which versions, without the names. An entry of `words` is 40 bits of a
 * name's key above 24 bits of a row, little-endian, in ascending order; a row has a package's number
 * and a range's.
 */
export interface NameTable {
  readonly words: Uint32Array;
  readonly packages: Uint32Array;
  readonly ranges: Uint32Array;
  readonly distinctRanges: readonly VersionRange[];
}

export interface NameTableBuilder {
  add(relation: RpmRelation, packageNumber: number): void;
  build(): NameTable;
}

const ROWS_MAX = 2 ** 24;

/** Throws RangeError above 16 million rows. */
export function nameTableBuilder(): NameTableBuilder {
  const words = growing();
  const packages = growing();
  const ranges = growing();
  const numbers = new Map<string, number>();
  const distinctRanges: VersionRange[] = [];

  function rangeNumber({ flags, evr }: RpmRelation): number {
    const key = `${flags} ${evr}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, distinctRanges.length);
    return distinctRanges.push({ flags, evr }) - 1;
  }

  return {
    add(relation, packageNumber) {
      const row = packages.length();
      if (row >= ROWS_MAX) throw new RangeError(`It provides more than ${ROWS_MAX} names.`);
      const { high, low } = halves(relation.name);
      words.push(low + row);
      words.push(high);
      packages.push(packageNumber);
      ranges.push(rangeNumber(relation));
    },
    build() {
      const sorted = words.taken();
      new BigUint64Array(sorted.buffer).sort();
      return { words: sorted, packages: packages.taken(), ranges: ranges.taken(), distinctRanges };
    },
  };
}

/** The packages that satisfy the relation, each once, at most `max`. */
export function providersIn(
  { words, packages, ranges, distinctRanges }: NameTable,
  relation: RpmRelation,
  max: number,
): readonly number[] {
  const { high, low } = halves(relation.name);
  const found = new Set<number>();
  for (let at = lowerBound(words, high, low); at < words.length / 2 && found.size < max; at++) {
    const word = words[at * 2] ?? 0;
    if (words[at * 2 + 1] !== high || word - (word % ROWS_MAX) !== low) break;
    const row = word % ROWS_MAX;
    const range = distinctRanges[ranges[row] ?? 0];
    if (range !== undefined && rangesMeet(range, relation)) found.add(packages[row] ?? 0);
  }
  return [...found];
}

function halves(name: string): { readonly high: number; readonly low: number } {
  const key = Math.floor(nameKey(name) / 256);
  return { high: Math.floor(key / 256), low: (key % 256) * ROWS_MAX };
}

function lowerBound(words: Uint32Array, high: number, low: number): number {
  let from = 0;
  let to = words.length / 2;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const above = words[middle * 2 + 1] ?? 0;
    if (above < high || (above === high && (words[middle * 2] ?? 0) < low)) from = middle + 1;
    else to = middle;
  }
  return from;
}

function growing() {
  let values = new Uint32Array(65_536);
  let length = 0;
  return {
    length: () => length,
    push(value: number): void {
      if (length === values.length) {
        const wider = new Uint32Array(length * 2);
        wider.set(values);
        values = wider;
      }
      values[length++] = value;
    },
    /** Just what was pushed, in a buffer of its own. */
    taken: () => values.slice(0, length),
  };
}
