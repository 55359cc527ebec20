import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * Cuts the operations that the forge double checks requests against out of GitHub's published
 * OpenAPI document, and writes them to test/fixtures/github. Run it to follow a newer GitHub:
 *
 *     node scripts/github-schema.ts [version of @octokit/openapi]
 *
 * The package is 385 MB unpacked, so it is fetched into a temporary folder, one file of it is
 * unpacked, and it never becomes a dependency.
 */
const OPERATIONS = [
  ["/repos/{owner}/{repo}/statuses/{sha}", "post"],
  ["/repos/{owner}/{repo}/commits/{ref}/statuses", "get"],
  ["/repos/{owner}/{repo}/hooks", "get"],
  ["/repos/{owner}/{repo}/hooks/{hook_id}/deliveries", "get"],
  ["/repos/{owner}/{repo}/hooks/{hook_id}/deliveries/{delivery_id}/attempts", "post"],
  ["/repos/{owner}/{repo}/pulls", "get"],
] as const;
const DOCUMENT = "package/generated/api.github.com.json";
const LICENCE = "package/LICENSE";
const OUTPUT_DIR = join(import.meta.dirname, "../test/fixtures/github");
/** They only illustrate, and are most of the bytes. */
const LEFT_OUT = new Set(["examples", "example", "x-github", "x-octokit"]);

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const run = promisify(execFile);

await writeSchema(process.argv[2] ?? "latest");

async function writeSchema(version: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-github-schema-"));
  try {
    const document = await fetchDocument(version, folder);
    await mkdir(OUTPUT_DIR, { recursive: true });
    const cut = JSON.stringify(cutOperations(document), null, 1);
    await writeFile(join(OUTPUT_DIR, "openapi.json"), `${cut}\n`);
    await copyFile(join(folder, LICENCE), join(OUTPUT_DIR, "LICENSE"));
    const found = JSON.stringify(objectAt(document, "info")["version"]).replaceAll('"', "");
    await writeFile(join(OUTPUT_DIR, "README.md"), readme(found));
    process.stdout.write(`openapi.json written from @octokit/openapi ${found}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fetchDocument(version: string, folder: string): Promise<JsonObject> {
  const pack = ["pack", `@octokit/openapi@${version}`, "--silent", "--pack-destination", folder];
  const { stdout } = await run("npm", pack, { cwd: folder });
  const tarball = join(folder, stdout.trim());
  await run("tar", ["-xzf", tarball, "-C", folder, DOCUMENT, LICENCE]);
  return JSON.parse(await readFile(join(folder, DOCUMENT), "utf8")) as JsonObject;
}

/** The operations, and every component that they name, directly or through another. */
function cutOperations(document: JsonObject): JsonObject {
  const paths: JsonObject = {};
  for (const [path, method] of OPERATIONS) {
    const operation = objectAt(document, "paths", path)[method];
    if (operation === undefined) throw new Error(`There is no ${method} ${path} any more.`);
    paths[path] = { [method]: slimmed(operation) };
  }
  const components: JsonObject = {};
  const wanted = [...referencesIn(paths)];
  for (const reference of wanted) {
    const [, , group = "", name = ""] = reference.split("/");
    const into = (components[group] ??= {}) as JsonObject;
    if (into[name] !== undefined) continue;
    const component = objectAt(document, "components", group)[name];
    if (component === undefined) throw new Error(`${reference} leads nowhere.`);
    into[name] = slimmed(component);
    wanted.push(...referencesIn(into[name]));
  }
  const { openapi, info } = document;
  return { openapi: openapi ?? null, info: info ?? null, paths, components };
}

function slimmed(value: Json): Json {
  if (Array.isArray(value)) return value.map(slimmed);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([key]) => !LEFT_OUT.has(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, slimmed(inner)]));
}

function referencesIn(value: Json): string[] {
  if (value === null || typeof value !== "object") return [];
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  const own = typeof value["$ref"] === "string" ? [value["$ref"]] : [];
  return [...own, ...Object.values(value).flatMap(referencesIn)];
}

function objectAt(value: JsonObject, ...keys: readonly string[]): JsonObject {
  return keys.reduce((inner, key) => (inner[key] ?? {}) as JsonObject, value);
}

function readme(version: string): string {
  return `# GitHub's schema of commit statuses, webhook deliveries and pull requests

\`openapi.json\` is cut from GitHub's published OpenAPI document by \`scripts/github-schema.ts\`;
do not edit it. The forge double checks every request against it.

- Source: npm package \`@octokit/openapi\` ${version}, file \`generated/api.github.com.json\`, which is
  made from https://github.com/github/rest-api-description
- Operations: ${OPERATIONS.map(([path, method]) => `\`${method.toUpperCase()} ${path}\``).join(", ")}
- Left out: examples and the extensions \`x-github\` and \`x-octokit\`
- Licence: MIT, the package's \`LICENSE\` beside this file
`;
}
