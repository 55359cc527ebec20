import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import express from "express";
import { expect, test, vi } from "vitest";
import { gitRemote, type GitRemoteDeps } from "../../src/server/git-remote.ts";
import { settleUnreadyBuilds } from "../../src/server/settle-pushes.ts";
import { openGitRepos } from "../../src/server/git-repos.ts";
import { createSuperseder } from "../../src/server/superseder.ts";
import { openIntake } from "../../src/server/intake.ts";
import { claimJob } from "../../src/server/store/jobs.ts";
import { claimStatuses } from "../../src/server/store/outbox.ts";
import { processEnv } from "../../src/shared/config.ts";
import { claimRequest } from "../../src/shared/worker-messages.ts";
import { LEASE_HEADER, PATHS, PROTOCOL } from "../../src/shared/protocol.ts";
import { type BuildGrant } from "../../src/shared/build-messages.ts";
import { aStore } from "../support/a-store.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { aServer, type TestServer } from "../support/start-server.ts";
import { until } from "../support/until.ts";

interface BuildFacts {
  readonly number: number;
  readonly ref: string;
  readonly sha: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly message: string;
  readonly isReady: number;
}

function buildsOf(server: TestServer): BuildFacts[] {
  const db = new DatabaseSync(join(server.dataDir, "tatara.db"), { readOnly: true });
  const rows = db
    .prepare("SELECT number, ref, sha, state, reason, message, isReady FROM builds ORDER BY number")
    .all() as unknown as BuildFacts[];
  db.close();
  return rows.map((row) => ({ ...row }));
}

async function claim(server: TestServer): Promise<BuildGrant | undefined> {
  const response = await fetch(server.url + PATHS.buildClaim(), {
    method: "POST",
    headers: {
      authorization: `Bearer ${server.buildToken}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(claimRequest.parse({ worker: "w1", protocol: PROTOCOL })),
  });
  return response.status === 204 ? undefined : ((await response.json()) as BuildGrant);
}

/** The remote by itself, on a database whose clock the test moves. */
async function aRemote(change: (deps: GitRemoteDeps) => Partial<GitRemoteDeps>) {
  const held = await aStore();
  const { store } = held;
  const dir = await mkdtemp(join(tmpdir(), "tatara-git-"));
  const announcer = { announce: () => {} };
  const repos = openGitRepos({ dir, path: processEnv()["PATH"] ?? "" });
  const topics = { publish: () => Promise.resolve(), close: () => {} };
  const superseder = createSuperseder({ store, repos, announcer, topics, logger: silentLogger });
  const waitingBuildsMax = 10;
  const deps: GitRemoteDeps = {
    repos,
    intake: openIntake({ store, announcer, superseder, stopJobs: () => {}, waitingBuildsMax }),
    superseder,
    store,
    announcer,
    logger: silentLogger,
    patterns: ["*"],
    newId: store.newId,
    hasRoom: () => Promise.resolve(true),
    disk: { note: () => false, noteWords: () => undefined },
    identify: () => Promise.resolve({ name: "dev", mayPush: true }),
    buildUrl: (_request, repo, number) => `${repo} ${number}`,
  };
  const used = { ...deps, ...change(deps) };
  const http = express().use(gitRemote(used)).listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/git/acme/hello.git`,
    deps: used,
    store,
    advance: held.advance,
    builds: async () => {
      const rows = await store.db.selectFrom("builds").select(["ref", "state"]).execute();
      return rows.map(({ ref, state }) => `${ref} ${state}`);
    },
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      await held[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
}

const remote = (server: TestServer, repo = "acme/hello") => `${server.url}/git/${repo}.git`;
const settled = (server: TestServer, count: number) =>
  until(
    () =>
      buildsOf(server).filter(({ isReady, state }) => isReady === 1 || state !== "queued").length,
    count,
    { deadlineMs: 60_000 },
  );

test("a push makes the repo and a build, and git prints the build's address", async () => {
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  const sha = await tree.commit({ "a.txt": "a" }, "first");

  const push = await tree.git("push", remote(server), "main");

  expect(push).toMatchObject({ code: 0 });
  expect(push.output).toContain(`${server.url}/repos/acme/hello/1`);
  await settled(server, 1);
  expect(buildsOf(server)).toMatchObject([
    { number: 1, ref: "refs/heads/main", sha, state: "queued", message: "first" },
  ]);
});

test("a lock that a killed git left does not refuse pushes for ever", async () => {
  await using git = await aRemote(() => ({}));
  await using tree = await aGitWorkTree();
  await tree.commit({ "a.txt": "a" }, "first");
  expect(await tree.git("push", git.url, "main")).toMatchObject({ code: 0 });
  const longAgo = new Date(Date.now() - 60_000);
  for (const name of ["HEAD.lock", "refs/heads/main.lock"]) {
    const path = join(git.deps.repos.dir, "acme/hello.git", name);
    await writeFile(path, "");
    await utimes(path, longAgo, longAgo);
  }
  await tree.commit({ "a.txt": "b" }, "second");

  const push = await tree.git("push", git.url, "main");

  expect(push).toMatchObject({ code: 0 });
  await until(async () => (await git.builds()).length, 2);
});

test("without a token, or with a wrong one, nothing is taken and nothing is created", async () => {
  await using server = await aServer();
  await using stranger = await aGitWorkTree();
  await using guesser = await aGitWorkTree({ token: "a-wrong-token" });
  await stranger.commit({}, "first");
  await guesser.commit({}, "first");

  const pushes = [
    await stranger.git("push", remote(server), "main"),
    await guesser.git("push", remote(server), "main"),
  ];

  expect(pushes.map(({ code }) => code === 0)).toEqual([false, false]);
  expect(buildsOf(server)).toEqual([]);
  const refs = `${remote(server)}/info/refs?service=git-receive-pack`;
  const said = async (headers: Readonly<Record<string, string>>) =>
    await (await fetch(refs, { headers })).text();
  expect(await said({})).toContain("A token is needed");
  expect(await said({ authorization: "Basic YTpi" })).toContain("This token is not known");
});

test("branches and tags are built, an annotated tag by its commit; skip markers and deletions leave rows", async () => {
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  const sha = await tree.commit({ "a.txt": "a" }, "first");
  await tree.git("tag", "v1");
  await tree.git("tag", "-a", "v2", "-m", "a release");
  await tree.git("push", remote(server), "main", "v1", "v2", "main:topic");
  await tree.commit({}, "no need [skip ci]");
  await tree.git("push", remote(server), "main");
  await tree.git("push", remote(server), ":topic");

  await settled(server, 6);
  const builds = buildsOf(server);
  expect(builds.filter(({ state }) => state === "queued").map(({ sha: built }) => built)).toEqual([
    sha,
    sha,
    sha,
    sha,
  ]);
  expect(builds.slice(4)).toMatchObject([
    { state: "skipped", reason: "skip marker in the commit message" },
    { state: "skipped", reason: "branch deleted", sha: null },
  ]);
});

test("refs that are no branches or tags are refused with the reason, and the push changes nothing", async () => {
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");

  const push = await tree.git("push", remote(server), "main:refs/notes/x");

  expect(push.code).not.toBe(0);
  expect(push.output).toContain("only branches and tags");
  expect(buildsOf(server)).toEqual([]);
});

test("a job's clone credential reads its own repo while the job runs, and nothing else", async () => {
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");
  await tree.git("push", remote(server), "main");
  await tree.git("push", remote(server, "acme/other"), "main");
  await settled(server, 2);
  const grant = await claim(server);
  const basic = grant?.clone.authorization?.replace("Basic ", "") ?? "";
  const [, token = ""] = Buffer.from(basic, "base64").toString().split(":");
  await using worker = await aGitWorkTree({ token });

  expect((await worker.git("ls-remote", remote(server))).code).toBe(0);
  expect((await worker.git("ls-remote", remote(server, "acme/other"))).code).not.toBe(0);
  await worker.commit({}, "mine");
  expect((await worker.git("push", remote(server), "main:evil")).code).not.toBe(0);
});

test("repos outside the patterns and names that would leave the folder are refused", async () => {
  await using server = await aServer({ TATARA_REPOS: "acme/*" });
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");

  for (const repo of ["evil/hello", "acme/..", "acme/a%2Fb", ".acme/x", "acme/-x"]) {
    expect((await tree.git("push", remote(server, repo), "main")).code, repo).not.toBe(0);
  }
  expect(buildsOf(server)).toEqual([]);
});

test("a push of which a part could not be recorded is refused whole, and none of it waits for ever", async () => {
  await using own = await aRemote(({ intake }) => ({
    intake: {
      ...intake,
      accept: async (push) => {
        if (push.push.ref === "refs/heads/topic") throw new Error("disk full");
        return await intake.accept(push);
      },
    },
  }));
  await using tree = await aGitWorkTree({ token: "any" });
  await tree.commit({}, "first");

  const push = await tree.git("push", own.url, "main", "main:topic");

  expect(push.code).not.toBe(0);
  await until(own.builds, ["refs/heads/main skipped"]);
  // Nobody knows what is in a commit that never came.
  expect(await own.store.write(claimStatuses)).toEqual([]);
});

test("an accepted push of which git cannot tell whether its ref has moved is looked at again", async () => {
  const broken = new Set(["hasMoved"]);
  await using own = await aRemote(({ repos }) => ({
    repos: {
      ...repos,
      hasMoved: async (...of) => {
        if (broken.delete("hasMoved")) throw new Error("spawn git EAGAIN");
        return await repos.hasMoved(...of);
      },
    },
  }));
  await using tree = await aGitWorkTree({ token: "any" });
  await tree.commit({}, "first");
  expect((await tree.git("push", own.url, "main")).code).toBe(0);
  await until(() => broken.size, 0);
  const settle = () => settleUnreadyBuilds(own.deps, { isStarting: false });

  await settle();
  expect(await own.store.write((tx) => claimJob(tx, "w1", "t"))).toBeUndefined();
  own.advance(3_600_000);
  await settle();

  expect(await own.store.write((tx) => claimJob(tx, "w1", "t"))).toBeDefined();
});

test("a git that cannot be started is an answer 500, and the server lives on", async () => {
  const bin = await mkdtemp(join(tmpdir(), "tatara-bin-"));
  const path = processEnv()["PATH"] ?? "";
  for (const name of ["git", "sh", "cat"]) {
    const { stdout } = await promisify(execFile)("which", [name]);
    await symlink(stdout.trim(), join(bin, name));
  }
  vi.stubEnv("PATH", bin);
  await using server = await aServer();
  vi.stubEnv("PATH", path);
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");
  expect((await tree.git("push", remote(server), "main")).code).toBe(0);
  await rm(join(bin, "git"));

  const basic = Buffer.from(`any:${server.adminToken}`).toString("base64");
  const headers = { authorization: `Basic ${basic}` };
  const info = `${remote(server)}/info/refs?service=git-upload-pack`;

  expect((await fetch(info, { headers })).status).toBe(500);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  vi.unstubAllEnvs();
  await rm(bin, { recursive: true });
});

test("a worker that is busy with a long job is alive all the same", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");
  await tree.git("push", remote(server), "main");
  await settled(server, 1);
  const grant = await claim(server);
  if (grant === undefined) throw new Error("Nothing was granted.");

  for (let beat = 0; beat < 5; beat += 1) {
    vi.setSystemTime(Date.now() + 15_000);
    const answer = await fetch(server.url + PATHS.heartbeat(grant.jobId), {
      method: "POST",
      headers: { authorization: `Bearer ${server.buildToken}`, [LEASE_HEADER]: grant.lease.token },
    });
    expect(answer.status).toBe(200);
  }

  const headers = { authorization: `Bearer ${server.adminToken}` };
  const metrics = await (await fetch(`${server.url}/metrics`, { headers })).text();
  expect(metrics).toContain("\ntatara_workers_live 1\n");
  vi.useRealTimers();
});

test("fifty branches in one push are fifty builds", async () => {
  await using server = await aServer();
  await using tree = await aGitWorkTree({ token: server.adminToken });
  await tree.commit({}, "first");
  const refs = Array.from({ length: 50 }, (_none, index) => `main:refs/heads/b${index}`);

  expect((await tree.git("push", remote(server), ...refs)).code).toBe(0);

  await settled(server, 50);
  expect(buildsOf(server)).toHaveLength(50);
});

test("a push is refused while the disk is full, with the reason, and leaves nothing", async () => {
  await using git = await aRemote(() => ({ hasRoom: () => Promise.resolve(false) }));
  await using tree = await aGitWorkTree({ token: "any" });
  await tree.commit({}, "first");

  const push = await tree.git("push", git.url, "main");

  expect(push.code).not.toBe(0);
  expect(push.output).toMatch(/disk is full|503/);
  expect(await git.builds()).toEqual([]);
});
