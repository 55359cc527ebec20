import { keysAt, STEP_KEYS } from "../domain/pipeline-keys.ts";
import type { PipelineKey } from "../domain/pipeline-keys.ts";
import { PAGE_WORDS, PIPELINE_FILE, RESERVED_STEP_NAMES } from "../domain/pipeline.ts";
import { PIPELINE_PLACES, TEXT_FORMATS } from "../domain/pipeline-types.ts";
import type {
  KeysType,
  KeyType,
  MapType,
  PipelinePlace,
  TextFormat,
  TextType,
  TextsType,
} from "../domain/pipeline-types.ts";
import { ARCHES, TEXT_RULES } from "../domain/text-rules.ts";
import { snippetsFor } from "./pipeline-snippets.ts";
import { readYamlDocuments } from "./yaml-documents.ts";

/** One schema of JSON Schema draft-07, which is what editors' YAML servers speak. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema of `.tatara.yml`, made from the table of keys. It refuses nothing that the parser
 * takes; patterns, schedules, templates and what depends on a commit or a server are beyond it.
 */
export function pipelineSchema(): JsonSchema {
  const definitions = PIPELINE_PLACES.filter((place) => place !== "top").map((place) => [
    place,
    placeSchema(place),
  ]);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: PIPELINE_FILE,
    description: "What Tatara builds, tests, packages and publishes",
    ...placeSchema("top"),
    definitions: Object.fromEntries(definitions),
  };
}

/** A map with the keys of a place, and no others. */
function placeSchema(place: PipelinePlace): JsonSchema {
  const rows = keysAt(place);
  const required = rows.filter(({ isRequired }) => isRequired === true).map(({ key }) => key);
  const dependencies = Object.fromEntries(rows.flatMap(dependency));
  return {
    type: "object",
    minProperties: 1,
    properties: Object.fromEntries(rows.map((row) => [row.key, keySchema(row)])),
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    ...(Object.keys(dependencies).length > 0 && { dependencies }),
  };
}

/** What must and must not stand beside a key. */
function dependency({
  key,
  requires,
  excludes = [],
}: PipelineKey): readonly (readonly [string, unknown])[] {
  if (excludes.length === 0) return requires === undefined ? [] : [[key, [requires]]];
  const names = excludes.map((other) => `"${other}"`).join(", ");
  const beside = {
    type: "object",
    ...(requires !== undefined && { required: [requires] }),
    properties: Object.fromEntries(excludes.map((other) => [other, false])),
    errorMessage: `"${key}" cannot stand beside ${names}.`,
  };
  return [[key, beside]];
}

function keySchema(row: PipelineKey): JsonSchema {
  const { key, type, meaning, retired } = row;
  const schema = typeSchema(type);
  const isDefault = `Default: ${row.default}`;
  const literal = literalDefault(row);
  return {
    description: `${meaning}\n\n${row.isRequired === true ? "Required" : isDefault}`,
    // Beside `$ref` draft-07 reads nothing else.
    ...("$ref" in schema ? { allOf: [schema] } : schema),
    examples: [exampleOf(row)],
    ...(literal !== undefined && { default: literal }),
    ...(snippetsFor(row) && { defaultSnippets: snippetsFor(row) }),
    ...(retired && {
      deprecated: true,
      doNotSuggest: true,
      deprecationMessage: `"${key}" is now "${retired.by}"; it stops working in ${retired.until}`,
    }),
  };
}

function exampleOf({ key, example }: PipelineKey): unknown {
  const read = readYamlDocuments(example);
  const [value] = "documents" in read ? read.documents : [];
  return (value as Readonly<Record<string, unknown>> | undefined)?.[key];
}

/** The table says defaults in words. Some of the words are the value itself. */
function literalDefault({ type, default: words }: PipelineKey): unknown {
  const types = type.is === "either" ? type.of : [type];
  for (const one of types) {
    if (one.is === "switch" && (words === "true" || words === "false")) return words === "true";
    if (one.is === "number" && /^\d+$/.test(words)) return Number(words);
    if (one.is === "choice" && one.of.includes(words)) return words;
    if (one.is !== "text") continue;
    const isAmount = one.format === "duration" || one.format === "size";
    if (isAmount && TEXT_RULES[one.format].test(words)) return words;
    if (one.format === "release" || (one.format === "work-dir" && words === ".")) return words;
  }
  return undefined;
}

/** Short and long forms as `anyOf`: what kind of value it is tells which one is meant. */
function typeSchema(type: KeyType): JsonSchema {
  switch (type.is) {
    case "text":
      return textSchema(type);
    case "texts": {
      const one = textSchema(type);
      return { anyOf: [one, listOf(one, type.countMax)] };
    }
    case "list":
      return listOf(typeSchema(type.of), type.countMax);
    case "switch":
      return type.only === undefined ? { type: "boolean" } : { enum: [type.only] };
    case "number":
      return {
        type: type.isWhole ? "integer" : "number",
        minimum: type.min,
        maximum: type.max,
      };
    case "choice":
      return { type: "string", enum: type.of };
    case "keys":
      return keysSchema(type);
    case "map":
      return mapSchema(type);
    case "either":
      return { anyOf: type.of.flatMap(alternatives) };
  }
}

function listOf(items: JsonSchema, maxItems: number | undefined): JsonSchema {
  return { type: "array", items, minItems: 1, ...(maxItems !== undefined && { maxItems }) };
}

/** Beside another kind of map it is meant where its marker stands, which the other cannot have. */
function keysSchema({ place, marker }: KeysType): JsonSchema {
  const schema = { $ref: `#/definitions/${place}` };
  if (marker === undefined) return schema;
  return { type: "object", required: [marker], allOf: [schema] };
}

/** Alternatives of alternatives are alternatives. */
function alternatives(type: KeyType): readonly JsonSchema[] {
  const schema = typeSchema(type);
  const { anyOf } = schema as { readonly anyOf?: readonly JsonSchema[] };
  return anyOf ?? [schema];
}

function mapSchema({ keys, of, countMax, place }: MapType): JsonSchema {
  const known = place === undefined ? [] : keysAt(place);
  return {
    type: "object",
    minProperties: 1,
    ...(countMax !== undefined && { maxProperties: countMax }),
    ...(known.length > 0 && {
      properties: Object.fromEntries(known.map((row) => [row.key, keySchema(row)])),
    }),
    patternProperties: { [nameRule(keys, known)]: typeSchema(of) },
    additionalProperties: false,
  };
}

/** Names are taken as they are written, so no space may stand around them. */
function nameRule(format: TextFormat, known: readonly PipelineKey[]): string {
  const rule = ruleOf(format) ?? /^\S/;
  const taken =
    format === "step-name"
      ? [...RESERVED_STEP_NAMES, ...PAGE_WORDS, ...STEP_KEYS]
      : known.map(({ key }) => key);
  if (taken.length === 0) return rule.source;
  return rule.source.replace("^", `^(?!(?:${taken.join("|")})$)`);
}

function textSchema(type: TextType | TextsType): JsonSchema {
  const { format, mayBeEmpty = false } = type;
  if (mayBeEmpty) return { type: "string" };
  const rule = ruleOf(format);
  if (format === "arch") return { type: "string", enum: ARCHES };
  if (rule === undefined) return { type: "string", pattern: "\\S" };
  return {
    type: "string",
    // The parser drops spaces at the ends of what stands in quotes.
    pattern: rule.source.replace(/^\^/, "^\\s*").replace(/\$$/, "\\s*$"),
    patternErrorMessage: `This takes ${TEXT_FORMATS[format][0]}.`,
  };
}

function ruleOf(format: TextFormat): RegExp | undefined {
  const rules: Partial<Record<TextFormat, RegExp>> = TEXT_RULES;
  return rules[format];
}
