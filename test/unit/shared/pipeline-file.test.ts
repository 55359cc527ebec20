import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PIPELINE_FILE, channelProblem } from "../../../src/domain/pipeline.ts";
import type { CommitTree, PipelineProblem } from "../../../src/domain/pipeline.ts";
import { parsePipelineFile, readPipeline } from "../../../src/shared/pipeline-file.ts";
import { formatProblems } from "../../../src/shared/pipeline-problems.ts";

const FIXTURES = new URL("../../fixtures/pipeline/", import.meta.url);
const TREE = treeOf("Dockerfile", "README.md", "hello.spec");

function treeOf(...files: readonly string[]): CommitTree {
  return { has: (path) => files.includes(path), files: () => files, shortSha: "3f2a9c1" };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(text: string, tree: CommitTree = TREE): ReturnType<typeof parsePipelineFile> {
  return parsePipelineFile(bytesOf(text), tree);
}

/** `1:8 IMAGE_PATH`, for each problem. */
function codesOf(text: string, tree: CommitTree = TREE): readonly string[] {
  return parse(text, tree).problems.map(({ line, column, code }) => `${line}:${column} ${code}`);
}

function hintsOf(text: string, tree: CommitTree = TREE): readonly string[] {
  return parse(text, tree).problems.map(({ hint }) => hint);
}

describe("a file that is right", () => {
  test("has its short forms written out", () => {
    const text = "image: ./Dockerfile\ntest: make check\npackage: hello.spec\npublish: dev\n";

    expect(parse(text)).toEqual({
      pipeline: {
        image: { kind: "dockerfile", path: "Dockerfile" },
        tests: [{ name: "test", run: "make check" }],
        spec: "hello.spec",
        publish: "dev",
      },
      problems: [],
    });
  });

  test("keeps named tests in the order of the file, whatever their names", () => {
    const { pipeline } = parse("test:\n  2: make two\n  constructor: make it\n  1.10: make one\n");

    expect(pipeline?.tests).toEqual([
      { name: "2", run: "make two" },
      { name: "constructor", run: "make it" },
      { name: "1.10", run: "make one" },
    ]);
  });

  test("passes a block of commands on untouched", () => {
    const { pipeline } = parse('test: |\n  echo "a: b" # not a comment\n  make $CHECK\n');

    expect(pipeline?.tests[0]?.run).toBe('echo "a: b" # not a comment\nmake $CHECK\n');
  });

  test("may have a byte order mark and Windows line ends", () => {
    const { pipeline } = parse("\ufefftest: |\r\n  make\r\n  make check\r\nimage: node:24\r\n");

    expect(pipeline?.tests[0]?.run).toBe("make\nmake check\n");
    expect(pipeline?.image).toEqual({ kind: "named", name: "node:24" });
  });

  test("may begin with a document mark and end with one", () => {
    expect(codesOf("# hello\n---\ntest: make\n...\n# end\n")).toEqual([]);
  });

  test.each([
    ["a Dockerfile in the root", treeOf("Dockerfile"), { kind: "dockerfile", path: "Dockerfile" }],
    ["no Dockerfile there", treeOf("docker/Dockerfile"), { kind: "base" }],
  ])("without `image` runs in what %s says", (_, tree, image) => {
    expect(parse("test: make\n", tree).pipeline?.image).toEqual(image);
  });

  test.each([
    ["image: node:24", { kind: "named", name: "node:24" }],
    [
      "image: registry.example.com:5000/team/node",
      { kind: "named", name: "registry.example.com:5000/team/node" },
    ],
    [
      `image: node@sha256:${"a".repeat(64)}`,
      { kind: "named", name: `node@sha256:${"a".repeat(64)}` },
    ],
    ["image: ./ci/../ci//Dockerfile", { kind: "dockerfile", path: "ci/Dockerfile" }],
  ])("%s", (text, image) => {
    expect(parse(text, treeOf("ci/Dockerfile")).pipeline?.image).toEqual(image);
  });
});

describe("each mistake has one message", () => {
  const names = readdirSync(FIXTURES)
    .filter((name) => name.endsWith(".expected"))
    .map((name) => name.slice(0, -".expected".length));

  test.each(names)("%s", (name) => {
    const bytes = readFileSync(new URL(`${name}.yml`, FIXTURES));
    const expected = readFileSync(new URL(`${name}.expected`, FIXTURES), "utf8");
    const tree = name === "spec-missing" ? treeOf("Dockerfile", "rpm/hello.spec") : TREE;

    const reading = readPipeline(bytes, tree);

    if (reading.kind !== "invalid") throw new Error("The file was accepted.");
    expect(`${reading.report}\n`).toBe(expected);
    expect(reading.problems.map(({ code }) => code)).toEqual([codeOf(name)]);
  });

  function codeOf(name: string): string {
    return name.toUpperCase().replaceAll("-", "_");
  }

  test("the file's name is one of them", () => {
    const reading = readPipeline(undefined, treeOf("Dockerfile", ".tatara.yaml"));

    expect(reading).toMatchObject({
      kind: "invalid",
      file: ".tatara.yaml",
      problems: [
        { code: "FILE_NAME", line: 1, column: 1, hint: "`git mv .tatara.yaml .tatara.yml`" },
      ],
    });
  });

  test("a right name beside the wrong one is enough", () => {
    const tree = treeOf("Dockerfile", ".tatara.yaml", ".tatara.yml");

    expect(readPipeline(bytesOf("test: make"), tree).kind).toBe("pipeline");
  });
});

describe("several mistakes", () => {
  test("are printed as in the design", () => {
    const text = readFileSync(new URL("three-mistakes.yml", FIXTURES), "utf8");
    const { problems } = parse(text);
    const unknown = channelProblem("prod", ["dev", "testing", "stable"]);
    const place = { code: "CHANNEL_UNKNOWN", line: 4, column: 10, length: 4 } as const;
    const all: PipelineProblem[] = [...problems, { ...place, message: "", hint: "", ...unknown }];

    expect(formatProblems(text, all)).toBe(
      `
.tatara.yml:1:8   "Dockerfile" would be pulled from a registry
   1 | image: Dockerfile
     |        ^^^^^^^^^^  there is a file of that name: write ./Dockerfile           IMAGE_PATH
.tatara.yml:2:1   unknown key "tests"
   2 | tests: make check
     | ^^^^^  did you mean "test"?                                                   KEY_UNKNOWN
.tatara.yml:4:10  no channel "prod" on this server
   4 | publish: prod
     |          ^^^^  channels: dev, testing, stable                                 CHANNEL_UNKNOWN
3 problems. Nothing was built. Check again: tatara check`.slice(1),
    );
  });

  test("are all found, in the order of the file", () => {
    const text = `publish: Dev
tset:
  Unit: make
  run: make
  lint: [make]
  e2e: true
  docs:
package: [hello.spec]
image: ./Dockerfil
`;

    expect(codesOf(text)).toEqual([
      "1:10 NAME_INVALID",
      "2:1 KEY_UNKNOWN",
      "3:3 NAME_INVALID",
      "4:3 NAME_RESERVED",
      "5:9 VALUE_TYPE",
      "6:8 VALUE_UNQUOTED",
      "7:3 VALUE_EMPTY",
      "8:10 VALUE_TYPE",
      "9:8 FILE_MISSING",
    ]);
  });

  test("do not repeat themselves: what the shape refused, the meaning leaves alone", () => {
    expect(codesOf("publish:\n")).toEqual(["1:1 VALUE_EMPTY"]);
    expect(codesOf("packages: hello.spec\npublish: dev\n")).toEqual(["1:1 KEY_UNKNOWN"]);
    expect(codesOf("package:\npublish: dev\n")).toEqual(["1:1 VALUE_EMPTY"]);
  });
});

describe("did you mean", () => {
  test.each([
    ["tests", "test"],
    ["Test", "test"],
    ["imgae", "image"],
    ["packges", "package"],
    ["script", "test"],
    ["steps", "test"],
    ["dockerfile", "image"],
    ["spec", "package"],
    ["deploy", "publish"],
  ])("%s → %s", (written, meant) => {
    const { problems } = parse(`${written}: dev\n`);
    const [unknown] = problems.filter(({ code }) => code === "KEY_UNKNOWN");

    expect(unknown?.hint).toBe(`did you mean "${meant}"?`);
  });

  test.each(["env", "when", "__proto__", "constructor", "toString", "x".repeat(100_000)])(
    "%.20s is like no key, so the keys are listed",
    (written) => {
      expect(hintsOf(`? ${written}\n: a\n`)).toEqual(["keys: image, test, package, publish"]);
    },
  );

  test("says where the right key stands already", () => {
    expect(hintsOf("test: make\ntests: make e2e\n")).toEqual([
      'did you mean "test"? It stands on line 1',
    ]);
  });

  test.each([
    ["image: ./dockerfile", "did you mean ./Dockerfile?"],
    ["image: ./ci/Dockerfile", "found Dockerfile: write `image: ./Dockerfile`"],
    ["image: Dockerfile.ci", "found docker/Dockerfile.ci: write `image: ./docker/Dockerfile.ci`"],
    [
      "image: ./nothing/like/it",
      "commit it, or name an image of a registry, without the ./ in front",
    ],
    ["image: Node:24", 'small letters: "node:24"'],
    ["image: node 24", "an image is written like `node:24`, a Dockerfile like `./Dockerfile`"],
    ["package: helo.spec", "did you mean hello.spec?"],
    ["package: rpm/hello.spec", "found hello.spec: write `package: hello.spec`"],
    ["package: rpm/helo.spec", "did you mean hello.spec?"],
    ["package: README.md", "found hello.spec: write `package: hello.spec`"],
    ["package: nothing.txt", "found hello.spec: write `package: hello.spec`"],
    ["publish: { dev: { branch: main } }", "`publish: dev`"],
    ["image: { build: ./Dockerfile }", "`image: ./Dockerfile`"],
    ["test:make", "a space follows the colon: `test: make`"],
  ])("%s", (text, hint) => {
    const tree = treeOf("Dockerfile", "docker/Dockerfile.ci", "hello.spec", "README.md");

    expect(hintsOf(text, tree)).toEqual([hint]);
  });

  test("a channel that is nearly right", () => {
    expect(channelProblem("tesing", ["dev", "testing"])).toEqual({
      message: 'no channel "tesing" on this server',
      hint: 'did you mean "testing"? channels: dev, testing',
    });
    expect(channelProblem("dev", ["dev"])).toBeUndefined();
  });
});

test("the file is called as every message says", () => {
  expect(PIPELINE_FILE).toBe(".tatara.yml");
});
