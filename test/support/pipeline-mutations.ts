import fc from "fast-check";

/** Names that mean something to JavaScript's objects. */
export const HOSTILE = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
];

const words = fc.constantFrom(
  ...HOSTILE,
  ..."run|image|test|[]|{}|[a]|{a: b}|null|true|3.10|0x10|.inf|~|''|\"|\\|,|:|#|&a|*a|!t|<<|- |? ".split(
    "|",
  ),
  ..."${matrix.node}|${|$${|${git.sha|*|**|[|{a,b|!|../..|/etc|~/a|10m|9g|é|😀|\u202e|\u0000|\ufeff".split(
    "|",
  ),
  "\t",
  "\n",
  "x".repeat(5_000),
);
/** One change that a careless hand makes to a file. */
export const mutation = fc.record({
  how: fc.constantFrom("insert", "replace", "remove", "double", "indent", "rename"),
  at: fc.nat(),
  word: words,
});
export type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

/** The file after one change. */
export function spoilt(text: string, { how, at, word }: Mutation): string {
  const lines = text.split("\n");
  const index = at % lines.length;
  const line = lines[index] ?? "";
  const column = at % (line.length + 1);
  const changed: Record<Mutation["how"], readonly string[]> = {
    insert: [line.slice(0, column) + word + line.slice(column)],
    replace: [line.slice(0, column) + word],
    remove: [],
    double: [line, line],
    indent: [`  ${line}`],
    rename: [line.replace(/[\w./-]+:/, `${word}:`)],
  };
  return lines.toSpliced(index, 1, ...changed[how]).join("\n");
}
