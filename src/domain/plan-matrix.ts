import type { Matrix } from "./pipeline.ts";

/** One combination: variable → value, in the order of the file. */
export type MatrixEntry = Readonly<Record<string, string>>;

/** The combinations in the order written, the last variable changing fastest; one without a matrix. */
export function expandMatrix(matrix: Matrix | null): readonly MatrixEntry[] {
  if (matrix === null) return [{}];
  const all = matrix.variables.reduce<readonly MatrixEntry[]>(
    (entries, { name, values }) =>
      entries.flatMap((entry) => values.map((value) => ({ ...entry, [name]: value }))),
    [{}],
  );
  return all.filter((entry) => !matrix.except.some((left) => contains(entry, left)));
}

function contains(entry: MatrixEntry, pairs: MatrixEntry): boolean {
  return Object.entries(pairs).every(([name, value]) => entry[name] === value);
}

/** `NODE` for `node`, `PG_VERSION` for `pg-version`. */
export function matrixEnv(entry: MatrixEntry): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(entry).map(([name, value]) => [name.toUpperCase().replace(/[-.]/g, "_"), value]),
  );
}

/** `unit (node 22, pg 16)`: as people read it. */
export function matrixTitle(name: string, entry: MatrixEntry): string {
  const pairs = Object.entries(entry).map(([variable, value]) => `${variable} ${value}`);
  return pairs.length === 0 ? name : `${name} (${pairs.join(", ")})`;
}

const ID_MAX = 63;

/** Gives each step of a job an id of its own that may stand in an address: `unit-22-16`. */
export function stepIds(): (...parts: readonly string[]) => string {
  const taken = new Set<string>();
  return (...parts) => {
    const plain = idOf(parts);
    let id = plain;
    // Values that differ only in what an id cannot hold.
    for (let n = 2; taken.has(id); n += 1) id = `${plain.slice(0, ID_MAX - 4)}-${n}`;
    taken.add(id);
    return id;
  };
}

function idOf(parts: readonly string[]): string {
  const text = parts.join("-").toLowerCase();
  const plain = text.replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "");
  return plain.slice(0, ID_MAX) || "step";
}
