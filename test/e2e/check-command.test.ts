import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { aGitWorkTree } from "../support/git-work-tree.ts";

const run = promisify(execFile);
const TATARA = fileURLToPath(new URL("../../bin/tatara", import.meta.url));

async function checkIn(dir: string): Promise<{ readonly code: number; readonly output: string }> {
  return await run(TATARA, ["check"], { cwd: dir }).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    (err: { code: number; stdout: string }) => ({ code: err.code, output: err.stdout }),
  );
}

test("tatara check says what a push would be told, with places and status 1", async () => {
  await using tree = await aGitWorkTree();
  await tree.commit(
    { ".tatara.yml": "image: Dockerfile\ntests: make\n", Dockerfile: "FROM x\n" },
    "first",
  );

  const { code, output } = await checkIn(tree.dir);

  expect(code).toBe(1);
  expect(output).toMatch(/^\.tatara\.yml:1:8 .*\n {3}1 \| image: Dockerfile$/m);
  expect(output).toContain('did you mean "test"?');
});

test("a good file has no problems, also before it is committed", async () => {
  await using tree = await aGitWorkTree();
  await tree.commit({ "hello.spec": "Name: hello\n" }, "first");
  await tree.write({ ".tatara.yml": "test: make check\npackage: hello.spec\npublish: dev\n" });

  expect(await checkIn(tree.dir)).toEqual({ code: 0, output: ".tatara.yml: no problems\n" });
});
