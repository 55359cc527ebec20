import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/command-list.ts";
import { runCommand } from "../../src/cli/run-command.ts";
import { aGitWorkTree, type GitWorkTree } from "../support/git-work-tree.ts";
import { aServer, type TestServer } from "../support/start-server.ts";

const REPO = "acme/hello";
const VALUE = "s3cr3t-value-of-the-tests";

let server: TestServer;
let work: GitWorkTree;
let first: string;
let second: string;

beforeAll(async () => {
  server = await aServer();
  work = await aGitWorkTree({ token: server.adminToken });
  first = await work.commit({ "a.txt": "1" }, "first");
  second = await work.commit({ "a.txt": "2" }, "second");
  await work.git("remote", "add", "origin", `${server.url}/git/${REPO}.git`);
  const pushed = await work.git("push", "origin", "main");
  expect(pushed.output).toContain("build #1");
});

afterAll(async () => {
  await work[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

async function ask(method: string, path: string, body?: unknown) {
  const response = await fetch(server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The command line itself, with what it printed. */
async function run(argv: readonly string[], stdin = "") {
  const printed = { out: "", err: "" };
  const to = (key: "out" | "err") => ({
    write: (text: string | Uint8Array) => {
      printed[key] += typeof text === "string" ? text : Buffer.from(text).toString();
    },
  });
  const code = await runCommand(COMMANDS, argv, {
    env: { TATARA_URL: server.url, TATARA_TOKEN: server.adminToken, PATH: process.env["PATH"] },
    cwd: work.dir,
    stdout: to("out"),
    stderr: to("err"),
    input: () => Promise.resolve(stdin),
    signal: new AbortController().signal,
    now: Date.now,
  });
  return { code, ...printed };
}

describe("a build by hand", () => {
  const builds = `/api/repos/${REPO}/builds`;

  test("is of the default branch, with its parameters", async () => {
    const made = await ask("POST", builds, { params: { MODE: "full" }, fresh: true });
    expect(made.status).toBe(201);
    expect(made.body["url"]).toBe(`${server.url}/repos/${REPO}/${String(made.body["number"])}`);
    const build = await ask("GET", `/api/builds/${String(made.body["id"])}`);
    expect(build.body).toMatchObject({
      event: "manual",
      ref: "refs/heads/main",
      sha: second,
      message: "second",
      params: { MODE: "full" },
      isFresh: true,
      state: "queued",
    });
  });

  test("is of an older commit only where that is on the ref", async () => {
    expect((await ask("POST", builds, { sha: first })).status).toBe(201);
    await work.git("checkout", "-q", "-b", "other");
    const other = await work.commit({ "a.txt": "3" }, "elsewhere");
    await work.git("push", "origin", "other");
    await work.git("checkout", "-q", "main");
    expect(await ask("POST", builds, { sha: other })).toMatchObject({
      status: 409,
      body: { error: `${other.slice(0, 7)} is not known to be on refs/heads/main.` },
    });
    expect((await ask("POST", builds, { sha: other, ref: "other" })).status).toBe(201);
  });

  test.each([
    [{ params: { GIT_SHA: "x" } }, 400, "GIT_SHA is set by Tatara; choose another name."],
    [{ params: { lower: "x" } }, 400, "lower is no name of a parameter"],
    [{ ref: "no-such" }, 404, "acme/hello has no branch or tag no-such."],
    [{ ref: "../x" }, 400, '"../x" names no branch or tag.'],
    [{ ref: "--upload-pack=x" }, 400, "names no branch or tag."],
    [{ sha: "abc" }, 400, "abc is no whole commit id."],
    [{ colour: "red" }, 400, "colour"],
  ])("%j is refused", async (wish, status, error) => {
    const answer = await ask("POST", builds, wish);
    expect(answer.status).toBe(status);
    expect(answer.body["error"]).toContain(error);
  });

  test("of an unknown repo is refused", async () => {
    expect((await ask("POST", "/api/repos/acme/none/builds", {})).status).toBe(404);
  });

  test("comes from the command line", async () => {
    const made = await run(["build", "main", "--param", "MODE=a=b", "--json=number,url"]);
    expect(made.code).toBe(0);
    const { number } = JSON.parse(made.out) as { number: number };
    expect((await ask("GET", `${builds}/${number}`)).body["params"]).toEqual({ MODE: "a=b" });
    expect((await run(["build", "--param", "MODE"])).code).toBe(2);
  });
});

describe("the queue", () => {
  test("says why each job waits, in the API, of a build and on the command line", async () => {
    const { jobs } = (await ask("GET", "/api/queue")).body as { jobs: Record<string, unknown>[] };
    expect(jobs.length).toBeGreaterThan(0);
    expect(jobs[0]).toMatchObject({ repo: REPO, state: "queued" });
    expect(jobs[0]?.["waiting"]).toMatchObject({ reason: "no worker is online" });
    const build = await ask("GET", `/api/repos/${REPO}/builds/1`);
    expect(build.body["reason"]).toBe("no worker is online");
    expect(build.body["waiting"]).toEqual({
      reason: "no worker is online",
      ahead: null,
      etaMs: null,
    });
    const shown = await run(["queue"]);
    expect(shown.out).toContain("acme/hello #1");
    expect(shown.out).toContain("no worker is online");
  });

  test("can be jumped", async () => {
    expect((await run(["queue", "bump", "1"])).code).toBe(0);
    const { jobs } = (await ask("GET", "/api/queue")).body as { jobs: { priority: number }[] };
    expect(jobs.filter(({ priority }) => priority === 100)).toHaveLength(1);
  });

  test("holds nothing that waits for approval of a push", async () => {
    const { body } = await ask("GET", `/api/repos/${REPO}/builds/1`);
    const answer = await ask("POST", `/api/builds/${String(body["id"])}/approve`, {});
    expect(answer.status).toBe(409);
    expect((await ask("POST", "/api/builds/b-none/approve", {})).status).toBe(404);
  });
});

describe("secrets", () => {
  test("go in by stdin and never come out", async () => {
    const set = await run(["secret", "set", "NPM_TOKEN", "--branch", "main"], `${VALUE}\n`);
    expect(set).toMatchObject({ code: 0, out: "acme/hello: NPM_TOKEN is set\n" });
    const again = await run(["secret", "set", "NPM_TOKEN", "--pull-requests"], `${VALUE}\n`);
    expect(again.out).toBe("acme/hello: NPM_TOKEN is replaced\n");
    const list = await run(["secret"]);
    expect(list.out).toBe("  NPM_TOKEN   all branches and tags, pull requests   never used\n");
    const api = await ask("GET", `/api/repos/${REPO}/secrets`);
    expect(api.body["secrets"]).toMatchObject([
      { name: "NPM_TOKEN", branches: null, pullRequests: true, lastUsedAt: null },
    ]);
    expect(JSON.stringify(api.body)).not.toContain(VALUE);
    expect(await plainOnDisk()).toEqual([]);
    const { mode } = await stat(join(server.dataDir, "secret-key"));
    expect(mode & 0o777).toBe(0o600);
  });

  test.each([
    ["NPM_TOKEN", "short", "A secret has at least 8 characters."],
    ["npm-token", VALUE, "npm-token is no name of a secret."],
    ["NPM_TOKEN", "x".repeat(70_000), "A secret is text of at most 64 KiB."],
  ])("%s with such a value is refused", async (name, value, error) => {
    const answer = await ask("PUT", `/api/repos/${REPO}/secrets/${name}`, { value });
    expect(answer.status).toBe(400);
    expect(answer.body["error"]).toBe(error);
  });

  test("a body that is no JSON is not quoted", async () => {
    const response = await fetch(`${server.url}/api/repos/${REPO}/secrets/NPM_TOKEN`, {
      method: "PUT",
      headers: {
        authorization: `Bearer ${server.adminToken}`,
        "content-type": "application/json",
      },
      body: VALUE,
    });
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain("s3cr3t");
  });

  test("are nobody's without the admin token", async () => {
    expect((await fetch(`${server.url}/api/repos/${REPO}/secrets`)).status).toBe(401);
  });

  test("an empty stdin sets nothing; what is not there cannot be removed", async () => {
    expect((await run(["secret", "set", "OTHER_TOKEN"], "\n")).code).toBe(2);
    expect((await run(["secret", "rm", "OTHER_TOKEN"])).code).toBe(3);
    expect((await run(["secret", "rm", "NPM_TOKEN"])).code).toBe(0);
    expect((await ask("GET", `/api/repos/${REPO}/secrets`)).body).toEqual({ secrets: [] });
  });

  /** Files of the data folder that hold the value as it is. */
  async function plainOnDisk(): Promise<readonly string[]> {
    const names = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
    const found: string[] = [];
    for (const entry of names.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name);
      if ((await readFile(path)).includes(VALUE)) found.push(path);
    }
    return found;
  }
});

test("clearing the caches raises their epoch", async () => {
  const clear = `/api/repos/${REPO}/caches/clear`;
  const before = (await ask("POST", clear)).body["cacheEpoch"];
  expect((await run(["cache", "clear"])).code).toBe(0);
  expect((await ask("POST", clear)).body["cacheEpoch"]).toBe(Number(before) + 2);
});

test("a rerun may be fresh", async () => {
  const { body } = await ask("POST", `/api/repos/${REPO}/builds`, { ref: "main" });
  await ask("POST", `/api/builds/${String(body["id"])}/cancel`);
  const again = await run(["rerun", String(body["number"]), "--fresh", "--json=number"]);
  const { number } = JSON.parse(again.out) as { number: number };
  expect((await ask("GET", `/api/repos/${REPO}/builds/${number}`)).body).toMatchObject({
    event: "rerun",
    isFresh: true,
    rerunOf: body["id"],
  });
});
