const CHUNK_MAX = 1_024;

/**
 * Splits values for `in (…)`. A database takes a limited number of them, and keeps the statements
 * that it knows: each part is filled up to a power of two with its last value, so there are few.
 */
export function chunked<T>(values: Iterable<T>): readonly (readonly T[])[] {
  const all = [...new Set(values)];
  const chunks: T[][] = [];
  for (let start = 0; start < all.length; start += CHUNK_MAX) {
    chunks.push(filledUp(all.slice(start, start + CHUNK_MAX)));
  }
  return chunks;
}

function filledUp<T>(values: T[]): T[] {
  const last = values.at(-1);
  if (last === undefined) return values;
  const size = 2 ** Math.ceil(Math.log2(values.length));
  return [...values, ...Array.from({ length: size - values.length }, () => last)];
}

/** All rows of a query that is asked for one chunk at a time. */
export async function inChunks<T, Row>(
  values: Iterable<T>,
  ask: (chunk: readonly T[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const chunk of chunked(values)) for (const row of await ask(chunk)) rows.push(row);
  return rows;
}
