import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { longFormOf } from "../../../src/domain/pipeline-long-form.ts";
import type { CommitTree } from "../../../src/domain/pipeline.ts";
import { settled } from "../../../src/domain/settled-pipeline.ts";
import { parsePipelineFile, readPipeline } from "../../../src/shared/pipeline-file.ts";
import { writeYaml } from "../../../src/shared/yaml-documents.ts";
import { fixtureNames, NAMES, readFixture, treeOf } from "../../support/pipeline-fixtures.ts";
import { mutation, spoilt } from "../../support/pipeline-mutations.ts";

function read(text: string, tree: CommitTree) {
  return parsePipelineFile(new TextEncoder().encode(text), tree);
}

describe("the long form", () => {
  test.each(fixtureNames("good"))("of %s says the same as the file", (name) => {
    const { bytes, tree } = readFixture("good", name);
    const { pipeline } = read(bytes.toString(), tree);
    if (pipeline === undefined) throw new Error("The file was refused.");

    const text = writeYaml(longFormOf(pipeline));
    const again = read(text, tree);

    expect([again.problems.filter(({ isWarning }) => !isWarning), again.pipeline]).toEqual([
      [],
      pipeline,
    ]);
    expect(writeYaml(longFormOf(pipeline))).toBe(text);
  });

  test("says the same as any file that is right", () => {
    const goods = fixtureNames("good").map((name) => readFixture("good", name));
    let compared = 0;

    fc.assert(
      fc.property(
        fc.constantFrom(...goods),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        ({ bytes, tree }, mutations) => {
          const { pipeline } = read(mutations.reduce(spoilt, bytes.toString()), tree);
          if (pipeline === undefined) return;
          compared += 1;
          expect(read(writeYaml(longFormOf(pipeline)), tree).pipeline).toEqual(pipeline);
        },
      ),
      { numRuns: 1_500, seed: 20_263 },
    );
    expect(compared).toBeGreaterThan(50);
  });

  test("says what holds for one kind of builds, and then the same again", () => {
    for (const isPullRequest of [false, true]) {
      for (const buildsAllBranches of [false, true]) {
        const known = { defaultBranch: "main", isPullRequest, buildsAllBranches };
        const { tree } = readFixture("good", "dockerfile-and-spec");
        const short = "test: make\npackage: hello.spec\npublish: dev\n";
        const { pipeline } = read(short, tree);
        if (pipeline === undefined) throw new Error("The file was refused.");
        const whole = settled(pipeline, known);

        const again = read(writeYaml(longFormOf(whole)), tree).pipeline;

        expect(again).toEqual(whole);
        expect(whole.projects[0]?.publish).toMatchObject([{ channel: "dev", branches: ["main"] }]);
        expect(whole.onNewerPush).toBe(isPullRequest ? "cancel" : "keep");
        expect(whole.when.branches).toEqual([buildsAllBranches ? "**" : "main"]);
      }
    }
  });

  test("of a guess is a file that means the guess", () => {
    const tree = treeOf({
      files: { Dockerfile: "FROM a AS test\n", "rpm/hello.spec": "", "go.mod": "" },
    });
    const reading = readPipeline(undefined, tree, NAMES);
    if (reading.kind !== "pipeline") throw new Error("Nothing was guessed.");

    expect(read(writeYaml(longFormOf(reading.pipeline)), tree).pipeline).toEqual(reading.pipeline);
  });
});
