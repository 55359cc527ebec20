import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { CommitTree, ServerNames } from "../../src/domain/pipeline.ts";

/** Facts of a commit, as a fixture's `.json` may change them. */
export interface CommitFacts {
  /** Path → text. */
  readonly files?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
}

const FIXTURES = new URL("../fixtures/pipeline/", import.meta.url);

const FILES = {
  Dockerfile: "FROM debian:12 AS build\nFROM build AS test\nFROM debian:12 AS final\n",
  "README.md": "Hello\n",
  "hello.spec": "Name: hello\n",
};

/** The server that the fixtures speak of. */
export const NAMES: ServerNames = {
  repo: "acme/hello",
  channels: [
    { name: "dev", mayPublish: true },
    { name: "testing", mayPublish: true },
    { name: "stable", mayPublish: false },
  ],
  targets: ["el8", "el9", "el10", "fedora-42", "fedora-43"].map((name) => `${name}.x86_64`),
  yumSources: ["epel", "crb"],
  secrets: [{ name: "NPM_TOKEN", pullRequests: false }],
};

export function treeOf({ files = FILES, tags }: CommitFacts = {}): CommitTree {
  const texts = new Map(Object.entries(files));
  const paths = [...texts.keys()];
  return {
    has: (path) => texts.has(path),
    files: () => paths,
    shortSha: "3f2a9c1",
    read: (path) => texts.get(path),
    ...(tags && { tags }),
  };
}

/** Names of the fixtures in a folder: `<name>.yml`, with its facts in `<name>.json` if it has any. */
export function fixtureNames(folder: "broken" | "good"): readonly string[] {
  const names = readdirSync(new URL(`${folder}/`, FIXTURES));
  return names.filter((name) => name.endsWith(".yml")).map((name) => name.slice(0, -".yml".length));
}

export function readFixture(folder: "broken" | "good", name: string) {
  const at = (extension: string): URL => new URL(`${folder}/${name}.${extension}`, FIXTURES);
  const facts = existsSync(at("json")) ? readFileSync(at("json"), "utf8") : "{}";
  return {
    bytes: readFileSync(at("yml")),
    tree: treeOf(JSON.parse(facts) as CommitFacts),
    expectedFile: at("expected"),
  };
}
