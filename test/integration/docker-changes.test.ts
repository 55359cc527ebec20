import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { buildFrom, engine, never, runToEnd, tarOf } from "../support/engine-rig.ts";

test("the engine gives what one step changed, and nothing of the commit or of other steps", async () => {
  await using built = await buildFrom("");
  const { job, image } = built;
  const workspace = await engine.createWorkspace(
    {
      owner: job.owner("workspace"),
      image,
      steps: ["one", "two"],
      tree: (by) => tarOf({ "big.txt": "x".repeat(100_000), "old.txt": "old" }, by),
    },
    never,
  );
  for (const step of ["one", "two"]) {
    await runToEnd(
      engine,
      job.spec(
        step,
        ["sh", "-c", `mkdir -p out && echo ${step} > out/junit-${step}.xml && rm old.txt`],
        {
          image,
          workingDir: "/workspace",
          volumes: { [workspace.volumeFor(step)]: "/workspace" },
        },
      ),
    );
  }

  const changes = await workspace.changesOf?.("two", never);
  const files: string[] = [];
  const tar = Readable.from(changes ?? [], { objectMode: false }).pipe(extract());
  for await (const entry of tar) {
    if (entry.header.type === "file") files.push(entry.header.name.replace(/^[^/]+\//, ""));
    entry.resume();
  }

  expect(files).toEqual(["out/junit-two.xml"]);
});
