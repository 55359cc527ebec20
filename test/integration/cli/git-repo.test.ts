import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runGit } from "../../../src/cli/git-repo.ts";
import { processesThatMention } from "../../support/leftover-processes.ts";

const never = new AbortController().signal;

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-git-repo-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** As a push does, it starts a program that starts another. */
const HANGS = ["-c", "alias.hang=!sleep 1000 & sleep 1000", "hang"];

test.each(["over its time", "aborted"])(
  "a git that is %s leaves no program behind",
  async (how) => {
    const dir = await folder();
    const stop = new AbortController();
    const env = { PATH: process.env["PATH"] ?? "", HOME: dir };
    const timeoutMs = how === "aborted" ? 60_000 : 300;

    const hanging = runGit(HANGS, { cwd: dir, env, signal: stop.signal, timeoutMs });
    if (how === "aborted") setTimeout(() => stop.abort(), 300);

    await expect(hanging).rejects.toThrow("SIGTERM");
    expect(await processesThatMention(dir)).toEqual([]);
  },
);

test("a git that says no is quoted", async () => {
  const dir = await folder();
  const env = { PATH: process.env["PATH"] ?? "", HOME: dir, LC_ALL: "C" };

  const refused = runGit(["rev-parse", "HEAD"], { cwd: dir, env, signal: never });

  await expect(refused).rejects.toThrow(
    /git rev-parse ended with code 128:[^]*not a git repository/,
  );
});
