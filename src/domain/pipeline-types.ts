/**
 * The small language in which the table of keys says what a value looks like. It is plain data: the
 * parser, the JSON Schema, the reference page and `tatara explain` all read it.
 */
export type KeyType = TextType | TextsType | ListType | OtherType | MapType | KeysType | EitherType;

/** One text. */
export interface TextType {
  readonly is: "text";
  readonly format: TextFormat;
  /** `${matrix.node}` and `${git.sha}` may stand in it. */
  readonly hasTemplates?: true;
  readonly mayBeEmpty?: true;
  /** Of a duration (milliseconds) or a size (bytes): the most that is allowed. */
  readonly max?: number;
}

/** One text, or a list of them; always a list in the long form. */
export interface TextsType extends Omit<TextType, "is"> {
  readonly is: "texts";
  readonly countMax?: number;
}

/** A list, never one text alone. */
export interface ListType {
  readonly is: "list";
  readonly of: KeyType;
  readonly countMax?: number;
}

export type OtherType =
  /** `only`: the one value that means something here. */
  | { readonly is: "switch"; readonly only?: boolean }
  | {
      readonly is: "number";
      readonly min: number;
      readonly max: number;
      readonly isWhole: boolean;
    }
  | { readonly is: "choice"; readonly of: readonly string[] };

/** A map whose keys the user names. */
export interface MapType {
  readonly is: "map";
  readonly keys: TextFormat;
  readonly of: KeyType;
  readonly countMax?: number;
  /** Keys of this place may stand in it as well. */
  readonly place?: PipelinePlace;
}

/** A map with the keys of a place. */
export interface KeysType {
  readonly is: "keys";
  readonly place: PipelinePlace;
  /** Beside another kind of map: the key that tells this one. */
  readonly marker?: string;
}

/** Short and long forms. What the value is in YAML (text, list, map, …) says which one it is. */
export interface EitherType {
  readonly is: "either";
  readonly of: readonly KeyType[];
}

/** Where a key may stand. */
export const PIPELINE_PLACES = [
  "top",
  "image",
  "step",
  "matrix",
  "keep",
  "cache",
  "resources",
  "service",
  "service-resources",
  "package",
  "version",
  "verify",
  "scripts",
  "user",
  "file",
  "publish-rule",
  "when",
  "only",
  "checkout",
  "project",
] as const;
export type PipelinePlace = (typeof PIPELINE_PLACES)[number];

/** What kind of text it is: what may stand in it, and what a message calls it. */
export const TEXT_FORMATS = {
  text: ["text", "a text"],
  line: ["one line of text", "a text"],
  word: ["a text", "a text"],
  command: ["a command", "a command"],
  path: ["a path", "a path"],
  "dockerfile-path": ["the path of a Dockerfile, with ./ in front", "a path"],
  "folder-path": ["the path of a folder", "a path"],
  "work-dir": ["a path or `image`", "a path"],
  "spec-path": ["the path of a .spec file", "a spec file"],
  "cache-path": ["a path, in ~/ or the workspace", "a path"],
  "installed-path": ["a path on the installed system", "a path"],
  image: ["an image (./Dockerfile, node:24)", "an image"],
  "image-name": ["the name of an image", "an image"],
  pattern: ["a pattern", "a pattern"],
  duration: ["a duration", 'a duration such as "10m"'],
  size: ["a size", 'a size such as "4g"'],
  "step-name": ["the name of a step", "a name"],
  "service-name": ["the name of a service", "a name"],
  "project-name": ["the name of a project", "a name"],
  "package-name": ["the name of a package", "a name"],
  "user-name": ["the name of a user", "a name"],
  "group-name": ["the name of a group", "a name"],
  variable: ["the name of a variable", "a name"],
  "env-name": ["the name of an environment variable", "a name"],
  "secret-name": ["the name of a secret", "a name"],
  "macro-name": ["the name of an rpm macro", "a name"],
  "argument-name": ["the name of a build argument", "a name"],
  "option-name": ["the name of an option of the spec", "a name"],
  channel: ["a channel", "a channel"],
  source: ["a channel or a yum source", "a channel"],
  target: ["a target such as el9", "a target"],
  arch: ["an architecture", "an architecture"],
  schedule: ["a schedule", 'a schedule such as "nightly"'],
  version: ["a version", "a version"],
  release: ["a release", "a release"],
  relation: ["a dependency", "a dependency"],
  mode: ['octal digits such as "0755"', "a mode"],
  license: ["an SPDX expression", "a license"],
} as const satisfies Readonly<Record<string, readonly [takes: string, noun: string]>>;
export type TextFormat = keyof typeof TEXT_FORMATS;

/** What a message says that a key takes: `a pattern or a list of patterns`. */
export function takes(type: KeyType): string {
  return joined(takenBy(type));
}

/** What a hint says to give it. */
export function nounOf(type: KeyType): string {
  switch (type.is) {
    case "text":
    case "texts":
      return TEXT_FORMATS[type.format][1];
    case "list":
      return nounOf(type.of);
    case "either":
      return type.of[0] === undefined ? "a value" : nounOf(type.of[0]);
    case "number":
      return "a number";
    case "switch":
    case "choice":
      return takes(type);
    default:
      return "a map";
  }
}

function takenBy(type: KeyType): readonly string[] {
  switch (type.is) {
    case "text":
      return [TEXT_FORMATS[type.format][0]];
    case "texts":
      return [TEXT_FORMATS[type.format][0], `a list of ${plural(type.format)}`];
    case "list": {
      const of = type.of.is === "text" ? plural(type.of.format) : "maps";
      return [`a list${of === "maps" ? "" : ` of ${of}`}`];
    }
    case "number":
      return [type.isWhole ? "a whole number" : "a number"];
    case "switch":
      return type.only === undefined ? ["true", "false"] : [String(type.only)];
    case "choice":
      return type.of;
    case "map":
    case "keys":
      return ["a map"];
    case "either":
      return [...new Set(type.of.flatMap(takenBy))];
  }
}

function joined(parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(", ")} or ${last}`;
}

const PLURALS: Partial<Record<TextFormat, string>> = {
  command: "lines",
  pattern: "patterns",
  path: "paths",
  "cache-path": "paths",
  target: "targets",
  arch: "architectures",
  schedule: "schedules",
  relation: "dependencies",
};

function plural(format: TextFormat): string {
  return PLURALS[format] ?? (format.endsWith("-name") ? "names" : "texts");
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DURATION_UNITS = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS } as const;
export const SIZE_UNITS = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 } as const;

/** `90s` → 90000; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  return parseAmount(text, DURATION_UNITS);
}

/** `4g` → 4294967296; undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  return parseAmount(text, SIZE_UNITS);
}

function parseAmount(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const amount = text.slice(0, -1);
  const unit = units[text.slice(-1)];
  // Twelve digits are more than any limit, and few enough to stay exact.
  if (!/^\d{1,12}$/.test(amount) || unit === undefined) return undefined;
  return Number(amount) * unit;
}

/** 21600000 → `6h`: the largest unit that leaves no rest. */
export function formatDuration(ms: number): string {
  return formatAmount(ms, DURATION_UNITS);
}

/** 4294967296 → `4g`. */
export function formatSize(bytes: number): string {
  return formatAmount(bytes, SIZE_UNITS);
}

function formatAmount(amount: number, units: Readonly<Record<string, number>>): string {
  const [unit, size] = Object.entries(units).findLast(([, size]) => amount % size === 0) ?? ["", 1];
  return `${amount / size}${unit}`;
}
