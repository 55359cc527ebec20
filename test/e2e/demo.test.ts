import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { processEnv } from "../../src/shared/config.ts";

const TATARA = join(import.meta.dirname, "../../bin/tatara");
const exec = promisify(execFile);

test("the demo installs with dnf what was pushed, and leaves no folder", async () => {
  const temp = await mkdtemp(join(tmpdir(), "tatara-demo-test-"));

  const { stdout } = await demo(["--exit"], temp);

  const nevra = String.raw`hello-1\.0\.0-1\.1\.g[0-9a-f]{7}\.\S+`;
  const lines = [
    /^ {2}ok {4}started /m,
    /^ {2}ok {4}sample repo {2}acme\/hello: Dockerfile, hello\.spec, 12 tests$/m,
    /^ {2}ok {4}git push +main [0-9a-f]{7}, accepted in \d+ ms$/m,
    /^acme\/hello #1 {2}main [0-9a-f]{7} {2}first commit$/m,
    ...["checkout", "image", "test"].map((step) => new RegExp(`^  ok    ${step} `, "m")),
    new RegExp(`^  ok    package .*${nevra}$`, "m"),
    /^ {2}ok {4}publish .*dev, generation 1, signed [0-9A-F]{4}$/m,
    /^dnf install hello {4}fresh container, gpgcheck=1 repo_gpgcheck=1$/m,
    new RegExp(`^  ok    installed +${nevra}$`, "m"),
    /^ {2}ok {4}runs +hello --version -> 1\.0\.0$/m,
    /^ {2}ok {4}status +tatara: success "passed; published to dev"$/m,
    /^Time {3}\S+: start \S+, git push \S+, build \S+, dnf install \S+, status \S+$/m,
  ];
  for (const line of lines) expect(stdout).toMatch(line);
  expect(await readdir(temp)).toEqual([]);
  await rm(temp, { recursive: true });
});

test("the demo with a broken test shows a card that names test, file and line", async () => {
  const { stdout } = await demo(["--fail", "--exit", "--json"], tmpdir());

  const { state, failure, status } = JSON.parse(stdout) as {
    state: string;
    failure: { title: string; file: string; line: number };
    status: { state: string };
  };
  expect({ state, status: status.state }).toEqual({ state: "failed", status: "failure" });
  expect(failure.title).toContain("greets an empty name");
  expect(failure).toMatchObject({ file: "tests/check.sh", line: 28 });
});

function demo(args: readonly string[], temp: string) {
  const env = { ...processEnv(), LANG: "C.UTF-8", TMPDIR: temp };
  return exec(TATARA, ["demo", ...args], { env, timeout: 600_000 });
}
