import fc from "fast-check";
import { z } from "zod";
import { HOSTILE_TEXTS, HOSTILE_VALUES } from "./hostile.ts";

const DEPTH_MAX = 6;

const shape = z.looseObject({
  $ref: z.string().optional(),
  type: z.string().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  additionalProperties: z.unknown().optional(),
  propertyNames: z.unknown().optional(),
  items: z.unknown().optional(),
  pattern: z.string().optional(),
});

/** What a schema takes, as its own JSON schema tells it; words that only code checks come from `words`. */
export function valuesOf(schema: z.ZodType, words: readonly string[]): fc.Arbitrary<unknown> {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const refs = z
    .looseObject({ $defs: z.record(z.string(), z.unknown()).optional() })
    .parse(json).$defs;
  return valueOf(json, { words, refs: refs ?? {}, root: json, depth: 0 });
}

interface Around {
  readonly words: readonly string[];
  readonly refs: Readonly<Record<string, unknown>>;
  readonly root: unknown;
  readonly depth: number;
}

function valueOf(schema: unknown, around: Around): fc.Arbitrary<unknown> {
  const known = shape.safeParse(schema);
  if (!known.success || around.depth > DEPTH_MAX) return fc.constant(null);
  const { $ref, type, anyOf, oneOf, allOf, pattern } = known.data;
  const below = { ...around, depth: around.depth + 1 };
  if ($ref !== undefined) return valueOf(refOf($ref, around), below);
  if ("const" in known.data) return fc.constant(known.data.const);
  if (known.data.enum !== undefined) return fc.constantFrom(...known.data.enum);
  const either = anyOf ?? oneOf;
  if (either !== undefined) return fc.oneof(...either.map((one) => valueOf(one, below)));
  if (allOf?.[0] !== undefined) return valueOf(allOf[0], below);
  switch (type) {
    case "object":
      return objectOf(known.data, below);
    case "array":
      return fc.array(valueOf(known.data.items, below), { maxLength: 3 });
    case "string":
      return textOf(pattern, around.words);
    case "integer":
    case "number":
      return fc.oneof(
        fc.nat({ max: 20 }),
        fc.constantFrom(-1, 1.5, 2 ** 31, 1e13, 9e15, 2 ** 53 - 1),
      );
    case "boolean":
      return fc.boolean();
    default:
      return fc.constant(null);
  }
}

function refOf(ref: string, { refs, root }: Around): unknown {
  return ref === "#" ? root : refs[ref.slice(ref.lastIndexOf("/") + 1)];
}

function objectOf(
  { properties = {}, required = [], additionalProperties }: z.infer<typeof shape>,
  around: Around,
): fc.Arbitrary<unknown> {
  if (Object.keys(properties).length === 0 && additionalProperties !== undefined) {
    const key = fc.constantFrom(...around.words, ...HOSTILE_TEXTS);
    return fc.dictionary(key, valueOf(additionalProperties, around), { maxKeys: 3 });
  }
  const members = Object.entries(properties).map(
    ([name, one]) => [name, valueOf(one, around)] as const,
  );
  return fc.record(Object.fromEntries(members), { requiredKeys: required });
}

function textOf(pattern: string | undefined, words: readonly string[]): fc.Arbitrary<string> {
  const known = fc.constantFrom(...words);
  const odd = fc.constantFrom(...HOSTILE_TEXTS);
  if (pattern === undefined) {
    return fc.oneof({ weight: 6, arbitrary: known }, fc.string({ maxLength: 20 }), odd);
  }
  return fc.oneof({ weight: 4, arbitrary: matching(pattern) }, known, odd);
}

function matching(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern), { size: "small" });
  } catch {
    // Some patterns look ahead, which nothing can be made from.
    return fc.string({ maxLength: 20 });
  }
}

/** One change of a value: what stands somewhere in it becomes something else, or goes, or gets company. */
export interface Spoiling {
  readonly place: number;
  readonly how: "replace" | "remove" | "add";
  readonly by: unknown;
}

export const spoiling: fc.Arbitrary<Spoiling> = fc.record({
  place: fc.nat({ max: 1_000 }),
  how: fc.constantFrom("replace", "replace", "replace", "remove", "add"),
  by: fc.constantFrom(...HOSTILE_VALUES),
});

export function spoil(value: unknown, { place, how, by }: Spoiling): unknown {
  const copy: { root: unknown } = { root: structuredClone(value) };
  const places = placesOf(copy);
  const at = places[place % places.length];
  if (at === undefined) return value;
  const { holder, key } = at;
  if (how === "replace") holder[key] = by;
  else if (how === "remove") delete holder[key];
  else if (typeof holder[key] === "object" && holder[key] !== null) {
    Object.assign(holder[key], { unexpected: by });
  }
  return copy.root;
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function placesOf(holder: object): readonly Place[] {
  const record = holder as Record<string, unknown>;
  return Object.entries(record).flatMap(([key, value]) => [
    { holder: record, key },
    ...(typeof value === "object" && value !== null ? placesOf(value) : []),
  ]);
}
