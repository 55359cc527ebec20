/**
 * Globs of the pipeline file: `*` within a path part, `**` across parts, `?`, `[a-z]`, `[!a]`, `{a,b}`;
 * `\` takes the meaning from the next character. A leading `!` takes away what the others gave.
 * Matching follows all possibilities at once, so its time grows with pattern × text and no faster.
 */
export type Matcher = (text: string) => boolean;

/** What is wrong with a pattern, in words; undefined: nothing. */
export function patternProblem(pattern: string): string | undefined {
  const parsed = parse(withoutMark(pattern));
  return "problem" in parsed ? parsed.problem : undefined;
}

/** Tells whether one of `patterns` matches and none with a `!` does; those alone start from everything. */
export function matcherOf(patterns: readonly string[]): Matcher {
  const taking = patterns.filter(isTakingAway).map((pattern) => compile(withoutMark(pattern)));
  const giving = patterns.filter((pattern) => !isTakingAway(pattern)).map(compile);
  return (text) =>
    !taking.some((matches) => matches(text)) &&
    ((giving.length === 0 && taking.length > 0) || giving.some((matches) => matches(text)));
}

function isTakingAway(pattern: string): boolean {
  return pattern.startsWith("!");
}

function withoutMark(pattern: string): string {
  return isTakingAway(pattern) ? pattern.slice(1) : pattern;
}

type Node =
  | { readonly kind: "one"; readonly accepts: (character: string) => boolean }
  /** `*` */
  | { readonly kind: "within" }
  /** `**` */
  | { readonly kind: "across" }
  /** `**` and a slash: any number of whole parts, also none. */
  | { readonly kind: "parts" }
  | { readonly kind: "choice"; readonly options: readonly (readonly Node[])[] };

interface State {
  /** Undefined: goes on without a character. */
  readonly accepts: ((character: string) => boolean) | undefined;
  readonly next: number[];
}

const END = 0;

/** One that cannot be read matches nothing; the checks of the file have said so before. */
function compile(pattern: string): Matcher {
  const parsed = parse(pattern);
  if ("problem" in parsed) return () => false;
  const states: State[] = [{ accepts: undefined, next: [] }];
  const start = addNodes(states, parsed.nodes, END);
  return matcherOn(states, start);
}

/**
 * Thousands of files are matched with each pattern while the server waits, so nothing is allocated per
 * character: what a state leads to is found once, and a mark tells who is listed for the next one.
 */
function matcherOn(states: readonly State[], start: number): Matcher {
  const ways: (readonly number[] | undefined)[] = [];
  const marks = new Float64Array(states.length);
  const first = reach(states, [start]);
  let turn = 0;
  return (text) => {
    let here = first;
    for (const character of text) {
      turn += 1;
      const next: number[] = [];
      for (const index of here) {
        const state = states[index];
        if (!state?.accepts?.(character)) continue;
        for (const one of (ways[index] ??= reach(states, state.next))) {
          if (marks[one] === turn) continue;
          marks[one] = turn;
          next.push(one);
        }
      }
      if (next.length === 0) return false;
      here = next;
    }
    return here.includes(END);
  };
}

/** Of these states and all that they lead to without a character those that take one, and the end. */
function reach(states: readonly State[], from: readonly number[]): readonly number[] {
  const found = new Set(from);
  // A set that grows while it is walked is walked to its end.
  for (const index of found) {
    const state = states[index];
    if (state === undefined || state.accepts !== undefined) continue;
    for (const next of state.next) found.add(next);
  }
  return [...found].filter((index) => index === END || states[index]?.accepts !== undefined);
}

/** Adds states from the last node to the first, each knowing what follows it; gives the first. */
function addNodes(states: State[], nodes: readonly Node[], end: number): number {
  return nodes.reduceRight((next, node) => addNode(states, node, next), end);
}

function addNode(states: State[], node: Node, next: number): number {
  switch (node.kind) {
    case "one":
      return add(states, node.accepts, [next]);
    case "within":
      return addLoop(states, isWithinPart, [next]);
    case "across":
      return addLoop(states, isAny, [next]);
    case "parts": {
      const slash = add(states, isSlash, [next]);
      const loop = addLoop(states, isAny, [slash]);
      return add(states, undefined, [next, loop]);
    }
    case "choice": {
      const options = node.options.map((option) => addNodes(states, option, next));
      return add(states, undefined, options);
    }
  }
}

function add(states: State[], accepts: State["accepts"], next: number[]): number {
  states.push({ accepts, next });
  return states.length - 1;
}

function addLoop(states: State[], accepts: (character: string) => boolean, next: number[]): number {
  const before: number[] = [...next];
  const fork = add(states, undefined, before);
  before.push(add(states, accepts, [fork]));
  return fork;
}

const isAny = (): boolean => true;
const isSlash = (character: string): boolean => character === "/";
const isWithinPart = (character: string): boolean => character !== "/";

type Parsed = { readonly nodes: readonly Node[] } | { readonly problem: string };

class Unreadable extends Error {}

function parse(pattern: string): Parsed {
  const characters = [...pattern];
  try {
    const { nodes } = parseNodes(characters, 0, 0);
    return { nodes };
  } catch (err) {
    if (err instanceof Unreadable) return { problem: err.message };
    throw err;
  }
}

const NESTED_MAX = 8;

/** Reads up to the end, or inside braces up to a comma or the closing one. */
function parseNodes(
  characters: readonly string[],
  from: number,
  depth: number,
): { readonly nodes: readonly Node[]; readonly at: number } {
  const nodes: Node[] = [];
  let at = from;
  while (at < characters.length) {
    const character = characters[at] ?? "";
    if (depth > 0 && (character === "," || character === "}")) break;
    const read = parseNode(characters, at, depth);
    nodes.push(read.node);
    at = read.at;
  }
  return { nodes, at };
}

function parseNode(
  characters: readonly string[],
  at: number,
  depth: number,
): { readonly node: Node; readonly at: number } {
  const character = characters[at] ?? "";
  switch (character) {
    case "*":
      return parseStars(characters, at);
    case "?":
      return { node: { kind: "one", accepts: isWithinPart }, at: at + 1 };
    case "[":
      return parseClass(characters, at);
    case "{":
      return parseChoice(characters, at, depth);
    case "\\": {
      const escaped = characters[at + 1];
      if (escaped === undefined)
        throw new Unreadable('"\\" at the end of the pattern means nothing');
      return { node: literal(escaped), at: at + 2 };
    }
    default:
      return { node: literal(character), at: at + 1 };
  }
}

function literal(character: string): Node {
  return { kind: "one", accepts: (candidate) => candidate === character };
}

function parseStars(characters: readonly string[], from: number) {
  let at = from;
  while (characters[at] === "*") at += 1;
  if (at - from === 1) return { node: { kind: "within" } as const, at };
  const startsPart = from === 0 || "/{,".includes(characters[from - 1] ?? "");
  if (startsPart && characters[at] === "/") return { node: { kind: "parts" } as const, at: at + 1 };
  return { node: { kind: "across" } as const, at };
}

function parseClass(characters: readonly string[], from: number) {
  let at = from + 1;
  const isNegated = characters[at] === "!" || characters[at] === "^";
  if (isNegated) at += 1;
  const ranges: (readonly [string, string])[] = [];
  // A closing bracket that comes first is one of the characters.
  while (at < characters.length && (characters[at] !== "]" || ranges.length === 0)) {
    if (characters[at] === "\\") at += 1;
    const low = characters[at] ?? "";
    const isRange = characters[at + 1] === "-" && (characters[at + 2] ?? "]") !== "]";
    ranges.push([low, isRange ? (characters[at + 2] ?? "") : low]);
    at += isRange ? 3 : 1;
  }
  if (characters[at] !== "]") throw new Unreadable('"[" in the pattern is never closed');
  const accepts = (character: string): boolean =>
    isWithinPart(character) &&
    ranges.some(([low, high]) => low <= character && character <= high) !== isNegated;
  return { node: { kind: "one", accepts } as const, at: at + 1 };
}

function parseChoice(characters: readonly string[], from: number, depth: number) {
  if (depth >= NESTED_MAX) throw new Unreadable("braces in the pattern are nested too deeply");
  const options: (readonly Node[])[] = [];
  let at = from;
  do {
    const option = parseNodes(characters, at + 1, depth + 1);
    options.push(option.nodes);
    at = option.at;
  } while (characters[at] === ",");
  if (characters[at] !== "}") throw new Unreadable('"{" in the pattern is never closed');
  return { node: { kind: "choice", options } as const, at: at + 1 };
}
