import { addCover, findNeedles } from "./needles.ts";
import type { Automaton, Cover } from "./needles.ts";

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

/** What an automaton's depth says may be the beginning of a secret: exactly these bytes are held back. */
export function createMask(secrets: readonly string[], from: MaskPlace = START): Mask {
  const automaton = automatonOf(secrets);
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
    place: () => ({
      heldBytes: held.length + missingBytes,
      shownBytes,
      // They change as more comes, and this is written down a little later.
      covers: covers.map((cover) => ({ ...cover })),
    }),
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
  const automaton = automatonOf(secrets);
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

/** Those of all logs of a job are the same, and it is large. */
const known = new WeakMap<readonly string[], { readonly automaton: Automaton | undefined }>();

function automatonOf(secrets: readonly string[]): Automaton | undefined {
  const made = known.get(secrets) ?? { automaton: findNeedles(spellingsOf(secrets)) };
  known.set(secrets, made);
  return made.automaton;
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
