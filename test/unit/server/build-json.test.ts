import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { buildJson, summaryJson } from "../../../src/server/routes/build-json.ts";
import type { BuildView } from "../../../src/server/views.ts";
import { sampleBuilds } from "../../support/sample-builds.ts";

const REFERENCE = new URL("../../../docs/reference/api.md", import.meta.url);
const NOW = Date.parse("2026-11-21T20:00:00Z");
const HOST = "https://ci.example.com";

function sample(id: string): BuildView {
  const build = sampleBuilds(NOW).find((one) => one.id === id);
  if (build === undefined) throw new Error(`No sample build ${id}.`);
  return build;
}

/** Names of all fields, those of inner objects too. */
function fieldsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(fieldsOf);
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...fieldsOf(inner)]);
}

test("every field is in the reference", async () => {
  const reference = await readFile(REFERENCE, "utf8");
  const documents = sampleBuilds(NOW).map((build) => buildJson(build, HOST));

  const unknown = [...new Set(fieldsOf(documents))].filter(
    (name) => !reference.includes(`\`${name}\``),
  );

  expect(unknown).toEqual([]);
});

test("a build in a list has the fields of the build itself, with the same values", () => {
  const build = sample("bld-failed");

  expect(buildJson(build, HOST)).toMatchObject(summaryJson(build, HOST));
});

test("addresses are absolute, instants are ISO 8601", () => {
  const json = buildJson(sample("bld-unpublished"), HOST);

  expect(json.url).toBe("https://ci.example.com/repos/acme/website/12");
  expect(json.createdAt).toBe(new Date(sample("bld-unpublished").createdAt).toISOString());
  expect(json.artifacts[1]?.url).toBe(
    "https://ci.example.com/api/builds/bld-unpublished/artifacts/website-2.0-1.fc43.noarch.rpm?target=fedora-43.x86_64",
  );
  expect(json.jobs[1]?.steps[0]?.url).toBe(
    "https://ci.example.com/repos/acme/website/12/checkout?job=job-u2",
  );
});
