/** What differs from life to life in a path. */
interface Varying {
  readonly found: RegExp;
  /** With the varying part left out, and `mark` in its place. */
  readonly to: (mark: string) => string;
  /** What stands for it in a place. */
  readonly name: string;
  /** The same part in any life, as POSIX says patterns. */
  readonly pattern: string;
}

/** A mark of another rule may stand behind a name already. */
const MARKS = String.raw`[\uE000-\uF8FF]?`;
const FIRST_MARK = 0xe000;

const IN_PATHS: readonly Varying[] = [
  {
    found: /(tmp_[a-z]+|tmp_objdir-[a-z-]+|bulk_fsync)[-_][A-Za-z0-9]{6}(?=\/|$)/g,
    to: (mark) => `$1${mark}`,
    name: "",
    pattern: "[-_][A-Za-z0-9]{6}",
  },
  {
    found: new RegExp(
      `/((?:pool|signed|artifacts|objects|segments|tmp_[a-z-]+)${MARKS})/[0-9a-f]{2}(?=/|$)`,
      "g",
    ),
    to: (mark) => `/$1/${mark}`,
    name: "H",
    pattern: "[0-9a-f]{2}",
  },
  {
    found: /^(artifacts)\/[0-9a-f]{2}(?=\/|$)/g,
    to: (mark) => `$1/${mark}`,
    name: "H",
    pattern: "[0-9a-f]{2}",
  },
];

/** In one part between two slashes. */
const IN_NAMES: readonly Varying[] = [
  {
    found: /\.(?:part|staged)?-?[a-z]*-[a-z0-9]{12}$/,
    to: (mark) => mark,
    name: ".PART",
    pattern: String.raw`\.(part|staged)?-?[a-z]*-[a-z0-9]{12}`,
  },
  { found: /[0-9a-f]{32,64}/g, to: (mark) => mark, name: "H", pattern: "[0-9a-f]{32,64}" },
  {
    found: /\b[a-z]{1,8}-[a-z0-9]{12}\b/g,
    to: (mark) => mark,
    name: "I",
    pattern: "[a-z]{1,8}-[a-z0-9]{12}",
  },
  { found: /^[A-Za-z0-9_.+~^-]+\.rpm$/, to: (mark) => mark, name: "P.rpm", pattern: "[^/]+[.]rpm" },
  {
    found: /^disk-tiny-[0-9a-f]+\.git$/,
    to: (mark) => mark,
    name: "M.git",
    pattern: "disk-tiny-[0-9a-f]+[.]git",
  },
  {
    found: /^(?:primary|filelists|other)\.ends$/,
    to: (mark) => mark,
    name: "D.ends",
    pattern: "(primary|filelists|other)[.]ends",
  },
  {
    found: /^(?!report|server|build|publish)[a-z]+\.log(\.mark)?$/,
    to: (mark) => `${mark}$1`,
    name: "S.log",
    pattern: "[a-z]+[.]log",
  },
  {
    found: /^(?:debian|el)\d+\.\w+(?:-source)?$/,
    to: (mark) => mark,
    name: "T",
    pattern: "(debian|el)[0-9]+[.][a-z0-9_]+(-source)?",
  },
  { found: /\d+/g, to: (mark) => mark, name: "N", pattern: "[0-9]+" },
];
const VARYING = [...IN_PATHS, ...IN_NAMES];

/**
 * Names that differ from life to life become one, and so do those that one line of code writes: the
 * logs of all steps, the targets of a channel, the documents of a target. `logs/I/I/N/S.log`
 */
export function placeOf(path: string): string {
  return replaced(path, ({ name }) => name);
}

/** Matches the same place in any life, by a pattern of POSIX; without the start and the end. */
export function patternOf(path: string): string {
  const marked = replaced(path, (one) => String.fromCharCode(FIRST_MARK + VARYING.indexOf(one)));
  return [...marked]
    .map((char) => VARYING[char.charCodeAt(0) - FIRST_MARK]?.pattern ?? escaped(char))
    .join("");
}

function replaced(path: string, markOf: (varying: Varying) => string): string {
  const all = (text: string, rules: readonly Varying[]) =>
    rules.reduce((now, one) => now.replace(one.found, one.to(markOf(one))), text);
  return all(path, IN_PATHS)
    .split("/")
    .map((name) => all(name, IN_NAMES))
    .join("/");
}

export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
