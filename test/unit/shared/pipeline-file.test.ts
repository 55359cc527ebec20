import { describe, expect, test } from "vitest";
import { PIPELINE_FILE } from "../../../src/domain/pipeline.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import { filesToRead, parsePipelineFile, readPipeline } from "../../../src/shared/pipeline-file.ts";

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
  test("keeps named tests in the order of the file, whatever their names", () => {
    const { pipeline } = parse("test:\n  2: make two\n  constructor: make it\n  1.10: make one\n");

    expect(pipeline?.projects[0]?.tests.map(({ name, run }) => [name, run])).toEqual([
      ["2", "make two"],
      ["constructor", "make it"],
      ["1.10", "make one"],
    ]);
  });

  test("passes a block of commands on untouched", () => {
    const { pipeline } = parse('test: |\n  echo "a: b" # not a comment\n  make $CHECK\n');

    expect(pipeline?.projects[0]?.tests[0]?.run).toBe('echo "a: b" # not a comment\nmake $CHECK\n');
  });

  test("may have a byte order mark and Windows line ends", () => {
    const { pipeline } = parse("\ufefftest: |\r\n  make\r\n  make check\r\nimage: node:24\r\n");

    expect(pipeline?.projects[0]?.tests[0]?.run).toBe("make\nmake check\n");
    expect(pipeline?.projects[0]?.image).toMatchObject({ kind: "named", name: "node:24" });
  });

  test("may begin with a document mark and end with one", () => {
    expect(codesOf("# hello\n---\ntest: make\n...\n# end\n")).toEqual([]);
  });

  test.each([
    ["a Dockerfile in the root", treeOf("Dockerfile"), { kind: "dockerfile", path: "Dockerfile" }],
    ["no Dockerfile there", treeOf("docker/Dockerfile"), { kind: "base" }],
  ])("without `image` runs in what %s says", (_, tree, image) => {
    expect(parse("test: make\n", tree).pipeline?.projects[0]?.image).toMatchObject(image);
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
    expect(parse(text, treeOf("ci/Dockerfile")).pipeline?.projects[0]?.image).toMatchObject(image);
  });
});

describe("the file's name", () => {
  test("is a mistake where it is another", () => {
    const reading = readPipeline(undefined, treeOf("Dockerfile", ".tatara.yaml"));

    expect(reading).toMatchObject({
      kind: "invalid",
      file: ".tatara.yaml",
      problems: [
        { code: "FILE_NAME", line: 1, column: 1, hint: "`git mv .tatara.yaml .tatara.yml`" },
      ],
    });
  });

  test("may stand wrong beside the right one", () => {
    const tree = treeOf("Dockerfile", ".tatara.yaml", ".tatara.yml");

    expect(readPipeline(bytesOf("test: make"), tree).kind).toBe("pipeline");
  });
});

describe("several mistakes", () => {
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
    ["on", "when"],
    ["variables", "env"],
    ["rules", "when"],
  ])("%s → %s", (written, meant) => {
    const { problems } = parse(`${written}: dev\n`);
    const [unknown] = problems.filter(({ code }) => code === "KEY_UNKNOWN");

    expect(unknown?.hint).toBe(`did you mean "${meant}"?`);
  });

  test.each(["__proto__", "constructor", "toString", "x".repeat(100_000)])(
    "%.20s is like no key, so the keys are listed",
    (written) => {
      expect(hintsOf(`? ${written}\n: a\n`)).toEqual([
        "keys: image, test, package, publish, when, services, env, cache, timeout, resources, dir, checkout, on-newer-push, run-all-on, projects",
      ]);
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
    ["test:make", "a space follows the colon: `test: make`"],
  ])("%s", (text, hint) => {
    const tree = treeOf("Dockerfile", "docker/Dockerfile.ci", "hello.spec", "README.md");

    expect(hintsOf(text, tree)).toEqual([hint]);
  });
});

describe("what the commit's files say", () => {
  const DOCKERFILE = "FROM debian AS build\nFROM --platform=linux/amd64 debian AS Test\n";
  const FILE = "image: { build: ./Dockerfile, stage: test }\ntest: make\n";

  test("is asked for before the file is read", () => {
    expect(filesToRead(bytesOf(FILE), TREE)).toEqual(["Dockerfile"]);
    expect(filesToRead(bytesOf("test: make\n"), TREE)).toEqual([]);
    expect(filesToRead(undefined, treeOf("Dockerfile", "Makefile", "package.json"))).toEqual([
      "package.json",
      "Makefile",
      "Dockerfile",
    ]);
  });

  test.each([
    ["test", []],
    ["TEST", []],
    ['"1"', []],
    ['"2"', ["1:38 STAGE_UNKNOWN"]],
    ["tset", ["1:38 STAGE_UNKNOWN"]],
  ])("stage %s", (stage, codes) => {
    const tree = { ...TREE, read: () => DOCKERFILE };

    expect(codesOf(`image: { build: ./Dockerfile, stage: ${stage} }\n`, tree)).toEqual(codes);
  });

  test("is not judged by what nobody could read", () => {
    expect(codesOf("image: { build: ./Dockerfile, stage: other }\n")).toEqual([]);
  });
});

test("the file is called as every message says", () => {
  expect(PIPELINE_FILE).toBe(".tatara.yml");
});
