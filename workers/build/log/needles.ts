/** A longer one finds little more. */
const WINDOW_MAX = 32;

export interface Automaton {
  /** Adds the parts of `bytes` from `from` on that are secrets to `covers`; the state it ends in. */
  scan(bytes: Buffer, progress: { from: number; state: number; covers: Cover[] }): number;
  depthOf(state: number): number;
}

/** A part that is not shown. Covers are in order and do not touch each other. */
export interface Cover {
  readonly start: number;
  readonly end: number;
  isMarked: boolean;
}

/**
 * An automaton that knows all needles (Aho-Corasick), each of two bytes or more. Its depth is the number
 * of bytes that may be the beginning of one. Undefined: there is nothing to look for.
 */
export function findNeedles(needles: readonly Buffer[]): Automaton | undefined {
  if (needles.length === 0) return undefined;
  const { classes, width } = classesOf(needles);
  const statesMax = needles.reduce((sum, needle) => sum + needle.length, 1);
  const next = new Int32Array(statesMax * width);
  const depth = new Int32Array(statesMax);
  /** Length of the longest needle that ends in a state. */
  const found = new Int32Array(statesMax);

  const at = (table: Int32Array, index: number): number => table[index] ?? 0;
  let states = 1;
  for (const needle of needles) {
    let state = 0;
    for (const byte of needle) {
      const edge = state * width + (classes[byte] ?? 0);
      if (next[edge] === 0) {
        depth[states] = at(depth, state) + 1;
        next[edge] = states;
        states += 1;
      }
      state = at(next, edge);
    }
    found[state] = Math.max(at(found, state), needle.length);
  }

  // Breadth first: where a state has no edge, it goes where its longest suffix goes.
  const suffix = new Int32Array(states);
  const queue: number[] = [0];
  for (let index = 0; index < queue.length; index += 1) {
    const state = queue[index] ?? 0;
    for (let letter = 1; letter < width; letter += 1) {
      const edge = state * width + letter;
      const child = at(next, edge);
      const fallback = state === 0 ? 0 : at(next, at(suffix, state) * width + letter);
      if (child === 0 || child === fallback) {
        next[edge] = fallback;
        continue;
      }
      suffix[child] = fallback;
      found[child] = Math.max(at(found, child), at(found, fallback));
      queue.push(child);
    }
  }

  const nextStart = startFinder(needles);
  const scan: Automaton["scan"] = (bytes, { from, state: start, covers }) => {
    let state = start;
    for (let index = from; index < bytes.length; index += 1) {
      // Where none has begun, most of the text need not be looked at.
      if (state === 0) index = nextStart(bytes, index);
      state = next[state * width + (classes[bytes[index] ?? 0] ?? 0)] ?? 0;
      const length = found[state] ?? 0;
      if (length > 0) addCover(covers, index + 1 - length, index + 1);
    }
    return state;
  };
  return { scan, depthOf: (state) => at(depth, state) };
}

/**
 * Finds the first place, from `at` on, where a needle may begin: what lies before it is the beginning of
 * none (Wu and Manber). Two bytes at the end of a window as long as the shortest needle say by how much
 * it may be moved. It stays within `bytes`.
 */
function startFinder(needles: readonly Buffer[]): (bytes: Buffer, at: number) => number {
  const window = Math.min(WINDOW_MAX, ...needles.map((needle) => needle.length));
  const moves = new Uint8Array(0x10000).fill(window - 1);
  const begins = new Uint8Array(0x10000);
  for (const needle of needles) {
    begins[pairAt(needle, 0)] = 1;
    for (let index = 0; index + 2 <= window; index += 1) {
      const pair = pairAt(needle, index);
      moves[pair] = Math.min(moves[pair] ?? 0, window - 2 - index);
    }
  }
  return (bytes, from) => {
    let at = from;
    for (const last = bytes.length - window; at < last;) {
      const move = moves[pairAt(bytes, at + window - 2)] ?? 0;
      if (move === 0 && begins[pairAt(bytes, at)] === 1) return at;
      at += move || 1;
    }
    return at;
  };
}

function pairAt(bytes: Buffer, index: number): number {
  return ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
}

export function addCover(covers: Cover[], start: number, end: number): void {
  const added = { start, end, isMarked: false };
  for (let last = covers.at(-1); last && last.end >= added.start; last = covers.at(-1)) {
    added.start = Math.min(added.start, last.start);
    added.end = Math.max(added.end, last.end);
    added.isMarked ||= last.isMarked;
    covers.pop();
  }
  covers.push(added);
}

/** Bytes that no secret has are one letter, so that the tables stay small. */
function classesOf(needles: readonly Buffer[]): { classes: Uint8Array; width: number } {
  const classes = new Uint8Array(256);
  let width = 1;
  for (const byte of new Set(needles.flatMap((needle) => [...needle]))) {
    if (width === 256) break;
    classes[byte] = width;
    width += 1;
  }
  return { classes, width };
}
