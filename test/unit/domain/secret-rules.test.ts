import { expect, test } from "vitest";
import { isSecretName } from "../../../src/domain/secret-rules.ts";
import { parsePipelineFile } from "../../../src/shared/pipeline-file.ts";
import { NAMES, treeOf } from "../../support/pipeline-fixtures.ts";

test.each([
  ["NPM_TOKEN", true],
  ["npm_token", true],
  ["_x1", true],
  ["A".repeat(200), true],
  ["A".repeat(201), false],
  ["1A", false],
  ["A-B", false],
  ["__proto__", false],
  ["", false],
])("%s is a name of a secret to the server and to the pipeline file: %s", (name, isRight) => {
  const names = { ...NAMES, secrets: [{ name, pullRequests: true }] };
  const text = JSON.stringify({ test: { unit: { run: "make", secrets: [name] } } });

  const { pipeline } = parsePipelineFile(new TextEncoder().encode(text), treeOf(), names);

  expect([isSecretName(name), pipeline !== undefined]).toEqual([isRight, isRight]);
});
