import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PIPELINE_KEYS } from "../../../src/domain/pipeline-keys.ts";
import { parsePipelineFile } from "../../../src/shared/pipeline-file.ts";
import { pipelineSchema } from "../../../src/shared/pipeline-schema.ts";
import { snippetsFor } from "../../../src/shared/pipeline-snippets.ts";
import { readPipelineText } from "../../../src/shared/pipeline-text.ts";
import type { TextNode } from "../../../src/shared/pipeline-text.ts";
import { fixtureNames, NAMES, readFixture, treeOf } from "../../support/pipeline-fixtures.ts";
import { mutation, spoilt } from "../../support/pipeline-mutations.ts";

const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true });
// Words of editors' YAML servers; the draft lets schemas have words of their own.
ajv.addVocabulary([
  "defaultSnippets",
  "deprecationMessage",
  "doNotSuggest",
  "errorMessage",
  "patternErrorMessage",
]);
const validate = ajv.compile(pipelineSchema());

/** As an editor sees the file: keys as they are written, values as YAML has them. */
function plain(node: TextNode): unknown {
  switch (node.kind) {
    case "map":
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, plain(value)]));
    case "list":
      return node.items.map(plain);
    case "text":
      return node.value;
    case "number":
      return Number(node.becomes);
    case "switch":
      return node.becomes === "true";
    case "empty":
      return null;
  }
}

function complaintsOf(text: string): readonly string[] {
  const read = readPipelineText(new TextEncoder().encode(text));
  if (read.kind === "refused" || validate(plain(read.root))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Does it know better than the parser? */
function isOverStrict(text: string, bytes: Uint8Array, tree = treeOf()): boolean {
  if (complaintsOf(text).length === 0) return false;
  return parsePipelineFile(bytes, tree, NAMES).problems.every(({ isWarning }) => isWarning);
}

interface Place {
  readonly properties: Readonly<Record<string, { readonly examples: readonly unknown[] }>>;
}

describe("the schema", () => {
  test.each(fixtureNames("good"))("takes the good file %s", (name) => {
    const { bytes } = readFixture("good", name);

    expect(complaintsOf(bytes.toString())).toEqual([]);
  });

  test.each(fixtureNames("broken"))("refuses no more of %s than the parser", (name) => {
    const { bytes, tree } = readFixture("broken", name);

    expect(isOverStrict(bytes.toString(), bytes, tree)).toBe(false);
  });

  test("refuses mistakes of shape", () => {
    const shape = /^(?:key-unknown|key-missing|value-type|value-choice|unit-missing|value-empty)/;
    const broken = fixtureNames("broken").filter((name) => shape.test(name));
    const refused = broken.filter((name) => {
      const { bytes } = readFixture("broken", name);
      return complaintsOf(bytes.toString()).length > 0;
    });

    // What only the parser finds: one key of several is needed, and words of other systems.
    expect(broken.filter((name) => !refused.includes(name))).toEqual([
      "key-missing-file-source",
      "key-missing-run",
      "key-missing-several",
      "key-missing",
      "key-unknown-in-except",
      "value-choice-except",
      "value-type-lines",
    ]);
  });

  test("refuses nothing that the parser takes, however a good file is changed", () => {
    const goods = fixtureNames("good").map((name) => readFixture("good", name));
    let refused = 0;

    fc.assert(
      fc.property(
        fc.constantFrom(...goods),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        ({ bytes, tree }, mutations) => {
          const text = mutations.reduce(spoilt, bytes.toString());
          expect(isOverStrict(text, new TextEncoder().encode(text), tree)).toBe(false);
          if (complaintsOf(text).length > 0) refused += 1;
        },
      ),
      { numRuns: 1_500, seed: 20_262 },
    );
    // Else nothing was compared.
    expect(refused).toBeGreaterThan(100);
  });

  test("says of every key what it means, with an example that fits", () => {
    const schema = pipelineSchema();
    const definitions = schema["definitions"] as Readonly<Record<string, Place>>;

    for (const { place, key, meaning } of PIPELINE_KEYS) {
      const { properties } =
        place === "top" ? (schema as unknown as Place) : (definitions[place] ?? { properties: {} });
      const found = properties[key];
      expect(found).toMatchObject({ description: expect.stringContaining(meaning) });
      const [example] = found?.examples ?? [];
      const one = ajv.compile({ definitions, ...found });
      expect([place, key, example, one(example)]).toEqual([place, key, example, true]);
    }
  });

  test("allows no key that it does not name", () => {
    const open: unknown[] = [];
    const walk = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      const map = value as Readonly<Record<string, unknown>>;
      // Those that only add to another schema leave it to that one.
      const isClosed =
        map["additionalProperties"] === false || "allOf" in map || "errorMessage" in map;
      if (map["type"] === "object" && !isClosed) open.push(map);
      for (const one of Object.values(map)) walk(one);
    };
    const { defaultSnippets, ...schema } = pipelineSchema();

    walk(schema);

    expect([open, defaultSnippets]).toEqual([[], undefined]);
  });

  test("what editors offer for a noun is right", () => {
    const rows = PIPELINE_KEYS.filter(
      (row) => snippetsFor(row) !== undefined && row.place === "top",
    );

    const files = { Dockerfile: "FROM debian AS test", "hello.spec": "", "dist/hello": "" };
    const tree = treeOf({ files });

    expect(rows.map(({ key }) => key)).toEqual(["image", "test", "package", "publish"]);
    for (const row of rows) {
      for (const { body } of snippetsFor(row) ?? []) {
        const typed = JSON.stringify({ [row.key]: body })
          .replace(/(?<!\\)\$\{\d:([^}]*)\}/g, "$1")
          .replaceAll("\\\\$", "$");
        const problems = parsePipelineFile(new TextEncoder().encode(typed), tree);
        const codes = problems.problems.map(({ code }) => code);
        expect([typed, codes.filter((code) => code !== "PUBLISH_NOTHING")]).toEqual([typed, []]);
        expect(complaintsOf(typed)).toEqual([]);
      }
    }
  });
});
