/** Hides secrets in a stream of bytes, wherever the stream is cut. */
export interface Mask {
  /** What may be shown now; what could still become a secret is held back. */
  push(chunk: Buffer): Buffer;
  /** What is still held back when it is so short that showing it gives nothing away. */
  flushShort(): Buffer;
  /** The rest, at the end of the stream; what follows is a stream of its own. */
  end(): Buffer;
  /** Where it is now. Numbers only: of the bytes themselves nothing is told. */
  place(): MaskPlace;
}

/**
 * Where a mask is in its stream. Another mask of the same secrets goes on exactly there, if it is given
 * the held bytes once more.
 */
export interface MaskPlace {
  /** Bytes that were taken and may still become part of a secret. */
  readonly heldBytes: number;
  /** So many of them were shown, since they give nothing away. */
  readonly shownBytes: number;
  /** Parts of them that are secrets, those that began before them included. */
  readonly covers: readonly {
    readonly start: number;
    readonly end: number;
    readonly isMarked: boolean;
  }[];
}

const START: MaskPlace = { heldBytes: 0, shownBytes: 0, covers: [] };

const MARK = Buffer.from("***");
/** Shorter values are words like any other; masking them would tear every log to pieces. */
const SECRET_BYTES_MIN = 4;
/** The beginning of a secret that the log ended in is hidden from this length on. */
const HALF_SECRET_BYTES = 8;

/**
 * Bytes go through an automaton that knows every spelling of every secret (Aho-Corasick). Its depth is
 * the number of bytes that may be the beginning of one: exactly these are held back.
 */
export function createMask(secrets: readonly string[], from: MaskPlace = START): Mask {
  const automaton = buildAutomaton(spellingsOf(secrets));
  if (automaton === undefined) return openMask(from);

  let state = 0;
  /** Shown only once it cannot become part of a secret; positions below count from its start. */
  let held: Buffer = Buffer.alloc(0);
  let shownBytes = from.shownBytes;
  let covers: Cover[] = from.covers.map((cover) => ({ ...cover }));
  /** Of what an earlier mask held, so much has not come again. */
  let missingBytes = from.heldBytes;

  /** The automaton gets to where it was; what is a secret in there is known already. */
  const catchUp = (chunk: Buffer): Buffer => {
    const part = chunk.subarray(0, missingBytes);
    state = automaton.scan(part, { from: 0, state, covers: [] });
    held = Buffer.concat([held, part]);
    missingBytes -= part.length;
    return chunk.subarray(part.length);
  };

  const showUpTo = (limit: number): Buffer => {
    const out: Buffer[] = [];
    for (const span of covers) {
      if (span.start >= limit) break;
      if (span.start > shownBytes) out.push(held.subarray(shownBytes, span.start));
      if (!span.isMarked) out.push(MARK);
      span.isMarked = true;
      shownBytes = Math.max(shownBytes, Math.min(span.end, limit));
    }
    if (shownBytes < limit) out.push(held.subarray(shownBytes, limit));
    shownBytes = Math.max(shownBytes, limit);
    return out.length === 1 && out[0] ? out[0] : Buffer.concat(out);
  };

  const forget = (bytes: number): void => {
    held = Buffer.from(held.subarray(bytes));
    shownBytes -= bytes;
    covers = covers
      .filter(({ end }) => end >= bytes)
      .map((span) => ({ ...span, start: span.start - bytes, end: span.end - bytes }));
  };

  return {
    push: (given) => {
      const chunk = missingBytes > 0 ? catchUp(given) : given;
      if (missingBytes > 0 || chunk.length === 0) return Buffer.alloc(0);
      const from = held.length;
      held = from === 0 ? chunk : Buffer.concat([held, chunk]);
      state = automaton.scan(held, { from, state, covers });
      const safeBytes = held.length - automaton.depthOf(state);
      const shown = showUpTo(safeBytes);
      forget(safeBytes);
      return shown;
    },
    flushShort: () => {
      if (missingBytes > 0 || held.length >= SECRET_BYTES_MIN) return Buffer.alloc(0);
      return showUpTo(held.length);
    },
    end: () => {
      // What never came again cannot be judged, so nothing of it is shown.
      if (missingBytes === 0 && held.length >= HALF_SECRET_BYTES) addCover(covers, 0, held.length);
      const shown = missingBytes === 0 ? showUpTo(held.length) : Buffer.alloc(0);
      held = Buffer.alloc(0);
      covers = [];
      [state, shownBytes, missingBytes] = [0, 0, 0];
      return shown;
    },
    place: () => ({ heldBytes: held.length + missingBytes, shownBytes, covers: [...covers] }),
  };
}

/** Without secrets nothing is held; what an earlier mask had shown of what comes again is left out. */
function openMask({ shownBytes }: MaskPlace): Mask {
  let known = shownBytes;
  return {
    push: (chunk) => {
      const skipped = Math.min(known, chunk.length);
      known -= skipped;
      return chunk.subarray(skipped);
    },
    flushShort: () => Buffer.alloc(0),
    end: () => Buffer.alloc(0),
    place: () => START,
  };
}

/** Hides secrets in whole texts; for what is told beside the logs. */
export function textMask(secrets: readonly string[]): (text: string) => string {
  const automaton = buildAutomaton(spellingsOf(secrets));
  if (automaton === undefined) return (text) => text;
  return (text) => {
    if (text.length < SECRET_BYTES_MIN) return text;
    const bytes = Buffer.from(text);
    const covers: Cover[] = [];
    automaton.scan(bytes, { from: 0, state: 0, covers });
    if (covers.length === 0) return text;
    const shown: Buffer[] = [];
    let from = 0;
    for (const { start, end } of covers) {
      shown.push(bytes.subarray(from, start), MARK);
      from = end;
    }
    return Buffer.concat([...shown, bytes.subarray(from)]).toString();
  };
}

/** Every way in which a program may come to print a secret. */
export function spellingsOf(secrets: readonly string[]): readonly Buffer[] {
  const spellings = new Set<string>();
  for (const secret of secrets) {
    const bytes = Buffer.from(secret);
    for (const value of [secret, secret.trim(), ...secret.split(/\r?\n/)]) spellings.add(value);
    spellings.add(encodeURIComponent(secret.toWellFormed()));
    spellings.add(new URLSearchParams({ x: secret }).toString().slice(2));
    spellings.add(JSON.stringify(secret).slice(1, -1));
    spellings.add(secret.replaceAll("'", `'\\''`));
    spellings.add(bytes.toString("hex"));
    spellings.add(bytes.toString("hex").toUpperCase());
    for (const text of base64At3Offsets(bytes)) {
      spellings.add(text);
      spellings.add(text.replaceAll("+", "-").replaceAll("/", "_"));
    }
  }
  return [...spellings]
    .map((text) => Buffer.from(text))
    .filter((b) => b.length >= SECRET_BYTES_MIN);
}

/** Base64 of a text that contains the secret: what of it depends on the secret alone. */
function base64At3Offsets(secret: Buffer): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret]).toString("base64");
    const bits = (before + secret.length) * 8;
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(bits / 6));
  });
}

interface Automaton {
  /** Adds the parts of `bytes` from `from` on that are secrets to `covers`; the state it ends in. */
  scan(bytes: Buffer, progress: { from: number; state: number; covers: Cover[] }): number;
  depthOf(state: number): number;
}

/** A part that is not shown. Covers are in order and do not touch each other. */
interface Cover {
  readonly start: number;
  readonly end: number;
  isMarked: boolean;
}

function buildAutomaton(needles: readonly Buffer[]): Automaton | undefined {
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

  const scan: Automaton["scan"] = (bytes, { from, state: start, covers }) => {
    let state = start;
    for (let index = from; index < bytes.length; index += 1) {
      state = next[state * width + (classes[bytes[index] ?? 0] ?? 0)] ?? 0;
      const length = found[state] ?? 0;
      if (length > 0) addCover(covers, index + 1 - length, index + 1);
    }
    return state;
  };
  return { scan, depthOf: (state) => at(depth, state) };
}

function addCover(covers: Cover[], start: number, end: number): void {
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
