import { Composer, CST, isMap, isScalar, isSeq, Lexer, Parser } from "yaml";
import type { Node, Pair } from "yaml";
import type { PipelineProblem } from "../domain/pipeline-problem.ts";
import { decodePipeline } from "./pipeline-encoding.ts";
import { placesIn, problemAt } from "./pipeline-mistake.ts";
import type { Place, PlaceOf, TextMistake } from "./pipeline-mistake.ts";
import {
  aliasMistake,
  directiveMistake,
  duplicateKey,
  limitMistake,
  secondDocument,
  tagMistake,
  unwritable,
} from "./pipeline-text-mistakes.ts";
import { explainYamlError } from "./pipeline-yaml-errors.ts";

/** The file's content in plain words; nothing of the YAML package leaves this file. */
export type TextNode =
  | {
      readonly kind: "text";
      readonly at: Place;
      readonly value: string;
      /** Where it is written, quotes included. */
      readonly start: number;
      readonly end: number;
    }
  | {
      readonly kind: "number" | "switch";
      readonly at: Place;
      readonly written: string;
      /** What YAML makes of it: 3.1 of `3.10`. */
      readonly becomes: string;
    }
  | { readonly kind: "empty"; readonly at: Place }
  | { readonly kind: "list"; readonly at: Place; readonly items: readonly TextNode[] }
  | { readonly kind: "map"; readonly at: Place; readonly entries: readonly MapEntry[] };

export interface MapEntry {
  /** The key as it is written: `1.10` stays "1.10". */
  readonly key: string;
  readonly keyAt: Place;
  readonly value: TextNode;
}

export type TextReading =
  | { readonly kind: "read"; readonly root: TextNode; readonly source: PipelineSource }
  | { readonly kind: "refused"; readonly problem: PipelineProblem };

/** The file as it was checked. */
export interface PipelineSource {
  readonly text: string;
  readonly placeOf: PlaceOf;
}

/**
 * Layer 1: bytes → nodes with their places. Ends at the first mistake, since a single open bracket
 * makes everything after it look wrong.
 */
export function readPipelineText(bytes: Uint8Array): TextReading {
  const { text, mistake } = decodePipeline(bytes);
  if (mistake !== undefined) return refused(text, mistake);

  const read = readTokens(text);
  if (read.isPartial) return refused(text, read.mistake);
  const { contents, mistake: yamlMistake } = compose(text, read);
  const earlier = firstOf(yamlMistake, read.mistake);
  if (earlier !== undefined) return refused(text, earlier);

  const walk: Walk = { placeOf: placesIn(text), mistakes: [] };
  const root = plainNode(contents, walk);
  const [first] = walk.mistakes;
  if (first !== undefined) return refused(text, first);
  return { kind: "read", root, source: { text, placeOf: walk.placeOf } };
}

function refused(text: string, mistake: TextMistake): TextReading {
  const place = placesIn(text)(mistake.start, mistake.end);
  return { kind: "refused", problem: problemAt(place, mistake) };
}

function firstOf(a: TextMistake | undefined, b: TextMistake | undefined): TextMistake | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.start <= b.start ? a : b;
}

type Tokens =
  | { readonly isPartial: true; readonly mistake: TextMistake }
  | {
      readonly isPartial: false;
      readonly tokens: readonly CST.Token[];
      readonly mistake: TextMistake | undefined;
      /** Offsets of brackets that are never closed. */
      readonly openBrackets: readonly number[];
    };

/**
 * Splits the text into the YAML package's tokens, and finds in them what the package lets pass.
 * Limits are counted here, because what comes after this calls itself for every level.
 */
function readTokens(text: string): Tokens {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  const seen = { tokens: 0, nodes: 0, levels: 0 };
  let mistake: TextMistake | undefined;
  let document: DocumentPart = "before";
  const openBrackets: number[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    const start = parser.offset;
    const end = start + lexeme.length;
    for (const token of parser.next(lexeme)) tokens.push(token);

    const type = CST.tokenType(lexeme);
    seen.tokens += 1;
    if (type !== null && NODE_TOKENS.has(type)) seen.nodes += 1;
    seen.levels = levelsOf(parser.stack);
    const limit = limitMistake(seen, start);
    if (limit !== undefined) return { isPartial: true, mistake: limit };

    const part = partAfter(document, type);
    if (part === "second") {
      return { isPartial: true, mistake: mistake ?? secondDocument(start, end) };
    }
    document = part;
    mistake ??= forbiddenToken(type, text, start, end);

    if (lexeme === "[" || lexeme === "{") openBrackets.push(start);
    if (text[openBrackets.at(-1) ?? -1] === OPENS[lexeme]) openBrackets.pop();
  }
  for (const token of parser.end()) tokens.push(token);
  return { isPartial: false, tokens, mistake, openBrackets };
}

const OPENS: Readonly<Record<string, string>> = { "]": "[", "}": "{" };

const NODE_TOKENS: ReadonlySet<CST.TokenType> = new Set<CST.TokenType>([
  "scalar",
  "single-quoted-scalar",
  "double-quoted-scalar",
  "block-scalar-header",
  "seq-item-ind",
  "flow-map-start",
  "flow-seq-start",
]);

/** The stack holds the document, maps and lists, and perhaps a scalar at its top. */
function levelsOf(stack: readonly CST.Token[]): number {
  const top = stack.at(-1);
  return stack.length - (top !== undefined && "items" in top ? 1 : 2);
}

type DocumentPart = "before" | "inside" | "after" | "second";

function partAfter(part: DocumentPart, type: CST.TokenType | null): DocumentPart {
  if (type === null || QUIET_TOKENS.has(type)) return part;
  if (type === "doc-end") return part === "before" ? "before" : "after";
  if (part === "before") return "inside";
  return part === "after" || type === "doc-start" ? "second" : "inside";
}

/** What may stand outside a document. */
const QUIET_TOKENS: ReadonlySet<CST.TokenType> = new Set<CST.TokenType>([
  "byte-order-mark",
  "doc-mode",
  "space",
  "comment",
  "newline",
  "directive-line",
]);

function forbiddenToken(
  type: CST.TokenType | null,
  text: string,
  start: number,
  end: number,
): TextMistake | undefined {
  if (type === "alias" || type === "anchor") return aliasMistake(text, start, end);
  if (type === "tag") return tagMistake(text, start, end);
  return type === "directive-line" ? directiveMistake(start, end) : undefined;
}

function compose(
  text: string,
  { tokens, openBrackets }: Tokens & { isPartial: false },
): { contents: Node | null; mistake: TextMistake | undefined } {
  // Keys are compared by us: the package compares each with each, and says less about it.
  const composer = new Composer({ schema: "core", uniqueKeys: false, logLevel: "silent" });
  const [document] = composer.compose(tokens, true, text.length);
  if (document === undefined) return { contents: null, mistake: undefined };
  const [error] = document.errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  const mistake = error && explainYamlError(error, { all: document.errors, text, openBrackets });
  return { contents: document.contents, mistake };
}

/** Collects what is still wrong while the nodes are made plain, in the order of the file. */
interface Walk {
  readonly placeOf: PlaceOf;
  readonly mistakes: TextMistake[];
}

function note(mistake: TextMistake | undefined, walk: Walk): void {
  if (mistake !== undefined) walk.mistakes.push(mistake);
}

type YamlPair = Pair<Node, Node | null>;

function plainNode(node: Node | null, walk: Walk): TextNode {
  const [start, end] = rangeOf(node);
  const at = walk.placeOf(start, end);
  if (isMap<Node, Node | null>(node)) {
    return { kind: "map", at, entries: entriesOf(node.items, walk) };
  }
  if (isSeq<Node | YamlPair>(node)) {
    return { kind: "list", at, items: node.items.map((item) => plainItem(item, walk)) };
  }
  const value = isScalar(node) ? node.value : null;
  if (typeof value === "string") {
    note(unwritable(value, start, end), walk);
    return { kind: "text", at, value, start, end };
  }
  if (typeof value !== "number" && typeof value !== "boolean") return { kind: "empty", at };
  const becomes = String(value);
  const written = isScalar(node) ? (node.source ?? becomes) : becomes;
  return { kind: typeof value === "number" ? "number" : "switch", at, written, becomes };
}

/** An entry of a list. In `[a: b]` it is a pair that stands for a map of one. */
function plainItem(item: Node | YamlPair, walk: Walk): TextNode {
  if (!("key" in item)) return plainNode(item, walk);
  const [start, end] = rangeOf(item.key);
  return { kind: "map", at: walk.placeOf(start, end), entries: entriesOf([item], walk) };
}

function entriesOf(pairs: readonly YamlPair[], walk: Walk): readonly MapEntry[] {
  const lineOfKey = new Map<string, number>();
  return pairs.map((pair) => {
    const [start, end] = rangeOf(pair.key);
    const keyAt = walk.placeOf(start, end);
    const key = keyText(pair.key, walk);
    const firstLine = lineOfKey.get(key);
    if (firstLine !== undefined) walk.mistakes.push(duplicateKey(key, firstLine, start, end));
    lineOfKey.set(key, keyAt.line);
    return { key, keyAt, value: plainNode(pair.value, walk) };
  });
}

function keyText(node: Node, walk: Walk): string {
  const [start, end] = rangeOf(node);
  const key = isScalar(node) ? scalarKey(node.value, node.source) : undefined;
  if (key === undefined || key === "") {
    const what = isMap(node) ? "a map" : "a list";
    const message = key === "" ? "there is no key before the colon" : `a key is text, not ${what}`;
    const hint = "write `key: value`";
    walk.mistakes.push({ code: "YAML_SYNTAX", start, end, message, hint });
    return "";
  }
  if (key === "<<" && isScalar(node) && node.type === "PLAIN") {
    walk.mistakes.push(aliasMistake("", start, end));
  }
  note(unwritable(key, start, end), walk);
  return key;
}

function scalarKey(value: unknown, source: string | undefined): string {
  return typeof value === "string" ? value : (source ?? "");
}

function rangeOf(node: Node | null): readonly [number, number] {
  const [start, end] = node?.range ?? [0, 0];
  return [start, end];
}
