import { expect, test } from "vitest";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import { startTatara } from "../support/start-tatara.ts";
import { tinyRepo } from "../support/sample-files.ts";

test("a package is installed, upgraded and removed in a clean container before its channel moves", async () => {
  await using tatara = await startTatara();
  const repo = await tatara.createRepo("acme/tiny", tinyRepo({ verify: true }));
  await repo.push();
  const first = await tatara.until("acme/tiny#1", "passed");

  expect(first.jobs.map(({ state }) => state)).toEqual(["passed", "passed"]);
  const log = await tatara.log("acme/tiny#1", "verify");
  expect(log).toContain("tatara: install tiny-1.0-1");
  expect(log).toContain("tatara: remove");
  expect(log).not.toContain("tatara: upgrade to");

  await repo.commit({ CHANGES: "one more\n" });
  await repo.push();
  await tatara.until("acme/tiny#2", "passed");
  expect(await tatara.log("acme/tiny#2", "verify")).toContain("tatara: upgrade to tiny-1.0-1");
});

test("packages that cannot be verified leave the channel as it was, and may be mended under their name", async () => {
  await using tatara = await startTatara();
  const files = tinyRepo();
  const spec = files["tiny.spec"] ?? "";
  const pipeline = (command: string) =>
    `package:\n  spec: tiny.spec\n  release: "7"\n  verify: ${command}\npublish: dev\n`;
  const repo = await tatara.createRepo("acme/tiny", {
    ...files,
    ".tatara.yml": pipeline("tiny | grep -x little"),
  });
  await repo.push();
  const failed = await tatara.until("acme/tiny#1", "failed");

  expect(failed.failure).toMatchObject({ code: "VERIFY_FAILED", step: "verify" });
  expect(failed.failure?.title).toContain("exited 1");
  expect((await tatara.fetch("/yum/dev.repo")).status).toBe(404);

  await repo.commit({ ".tatara.yml": pipeline("tiny | grep -x tiny"), "tiny.spec": `${spec}#\n` });
  await repo.push();
  await tatara.until("acme/tiny#2", "passed");
  expect((await tatara.fetch("/yum/dev.repo")).status).toBe(200);
});

test("what no source provides is named before any host hears of the package", async () => {
  await using tatara = await startTatara();
  const files = tinyRepo({ verify: true });
  const spec = (files["tiny.spec"] ?? "").replace(
    "Source0:",
    "Requires: libnowhere >= 3\nSource0:",
  );
  const repo = await tatara.createRepo("acme/tiny", { ...files, "tiny.spec": spec });
  await repo.push();
  const failed = await tatara.until("acme/tiny#1", "failed");

  expect(titleOf(failed)).toMatch(/nothing provides libnowhere >= 3 needed by tiny-1\.0/);
  expect((await tatara.fetch("/yum/dev.repo")).status).toBe(404);
});

function titleOf({ failure }: ApiBuild): string {
  return failure?.title ?? "";
}
