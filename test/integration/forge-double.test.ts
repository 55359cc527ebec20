import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import express from "express";
import { describe, expect, test } from "vitest";
import type { Intake } from "../../src/server/intake-types.ts";
import { receiveGithub } from "../../src/server/webhook/receive.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { startForgeDouble } from "../support/forge-double.ts";
import type { ForgeDouble } from "../support/forge-double.ts";
import { ZEROS } from "../support/github-deliveries.ts";

const run = promisify(execFile);
const TOKEN = "ghp_read00000000000000000000000000000000";
const SHA = "5".repeat(40);

async function tempFolder() {
  const path = await mkdtemp(join(tmpdir(), "tatara-double-test-"));
  const dispose = () => rm(path, { recursive: true, force: true });
  return { path, [Symbol.asyncDispose]: dispose };
}

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env["PATH"], GIT_TERMINAL_PROMPT: "0", HOME: cwd };
  return (await run("git", args, { cwd, env })).stdout.trim();
}

async function post(forge: ForgeDouble, body: unknown, headers: Record<string, string> = {}) {
  const url = `${forge.apiUrl}/repos/acme/hello/statuses/${SHA}`;
  const type = { "content-type": "application/json" };
  const auth = { authorization: `Bearer ${forge.statusToken}` };
  const request = { method: "POST", headers: { ...type, ...auth, ...headers } };
  const response = await fetch(url, { ...request, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

describe("its API", () => {
  test("lists statuses newest first, on both of GitHub's routes", async () => {
    await using forge = await startForgeDouble({ anyRepo: true });
    await post(forge, { state: "pending", context: "tatara" });
    await post(forge, { state: "success", context: "tatara", description: "passed" });

    const lists = await Promise.all(
      [`commits/${SHA}/statuses`, `statuses/${SHA}?per_page=1`].map(async (path) => {
        const headers = { authorization: `token ${forge.statusToken}` };
        const response = await fetch(`${forge.apiUrl}/repos/acme/hello/${path}`, { headers });
        return ((await response.json()) as { state: string }[]).map(({ state }) => state);
      }),
    );

    expect(lists).toEqual([["success", "pending"], ["success"]]);
  });

  test.each([
    [{ state: "passed" }, /state must be equal to one of the allowed values/],
    [{ context: "tatara" }, /must have required property 'state'/],
    [{ state: "success", target_url: 7 }, /target_url must be string/],
  ])("refuses %j, and says so at the end", async (body, problem) => {
    const forge = await startForgeDouble({ anyRepo: true });

    const answer = await post(forge, body);

    expect(answer.status).toBe(422);
    expect(forge.api.statuses).toEqual([]);
    await expect(forge[Symbol.asyncDispose]()).rejects.toThrow(problem);
  });

  test("refuses a body that is not declared as JSON", async () => {
    await using forge = await startForgeDouble({ anyRepo: true });

    await post(forge, { state: "success" }, { "content-type": "text/plain" });

    expect(forge.api.takeViolations().join()).toContain("content type");
  });

  test("knows no other operation", async () => {
    await using forge = await startForgeDouble({ anyRepo: true });

    await fetch(`${forge.apiUrl}/user`, {
      headers: { authorization: `token ${forge.statusToken}` },
    });

    expect(forge.api.takeViolations()).toEqual(["GET /user is no operation that the double knows"]);
  });
});

describe("its git", () => {
  test("serves clones and fetches by sha, only to who has the token", async () => {
    await using forge = await startForgeDouble({ readToken: TOKEN });
    await using folder = await tempFolder();
    const repo = await forge.addRepo("acme/hello", {
      files: { "a.txt": "one\n", "run.sh*": "#!/bin/sh\n" },
    });
    const { sha } = await repo.commit({ "a.txt": "two\n" }, { message: "Second" });
    const url = `${forge.url}/acme/hello.git`;
    const basic = Buffer.from(`x-access-token:${TOKEN}`).toString("base64");
    const clone = join(folder.path, "clone");

    await expect(git(folder.path, "clone", url, clone)).rejects.toThrow();
    const asUser = ["-c", `http.extraHeader=Authorization: Basic ${basic}`];
    await git(folder.path, ...asUser, "clone", url, clone);
    const bearer = ["-c", `http.extraHeader=Authorization: Bearer ${TOKEN}`];
    await git(clone, ...bearer, "fetch", "--depth=1", url, String(sha));

    expect(await readFile(join(clone, "a.txt"), "utf8")).toBe("two\n");
    expect(await git(clone, "rev-parse", "FETCH_HEAD")).toBe(sha);
    expect(await git(clone, "ls-files", "--stage", "run.sh")).toMatch(/^100755/);
  });

  test("tells each change as a webhook does", async () => {
    await using forge = await startForgeDouble();
    const repo = await forge.addRepo("acme/hello");

    const second = await repo.commit({ b: "1" }, { message: "Second\n\nWhy." });
    const forced = await repo.forcePush({ b: "2" }, { message: "Other second" });
    const light = await repo.tag("v1");
    const annotated = await repo.tag("v2", { annotation: "Version 2" });
    const branch = await repo.commit({ c: "1" }, { branch: "topic" });
    const deleted = await repo.deleteRef("refs/heads/topic");

    expect(second).toMatchObject({ ref: "refs/heads/main", message: "Second\n\nWhy." });
    expect(forced).toMatchObject({ before: second.sha, forced: true, message: "Other second" });
    expect(light).toMatchObject({ before: ZEROS, after: forced.sha, sha: forced.sha });
    expect(annotated.sha).toBe(forced.sha);
    expect(annotated.after).not.toBe(forced.sha);
    expect(branch).toMatchObject({ ref: "refs/heads/topic", before: ZEROS });
    expect(deleted).toMatchObject({ before: branch.sha, after: ZEROS, sha: null });
  });

  test("forgets what a force push left behind", async () => {
    await using forge = await startForgeDouble();
    await using folder = await tempFolder();
    const repo = await forge.addRepo("acme/hello");
    const { sha } = await repo.commit({ b: "1" });
    await repo.forcePush({ b: "2" });
    const url = `${forge.url}/acme/hello`;
    await git(folder.path, "init", "--quiet");
    await git(folder.path, "fetch", url, String(sha));

    await repo.forgetUnreachable();

    expect(await repo.has(String(sha))).toBe(false);
    await using other = await tempFolder();
    await git(other.path, "init", "--quiet");
    await expect(git(other.path, "fetch", url, String(sha))).rejects.toThrow();
  });

  test("leaves nothing behind", async () => {
    const forge = await startForgeDouble();
    const repo = await forge.addRepo("acme/hello");

    await forge[Symbol.asyncDispose]();

    expect(existsSync(repo.dir)).toBe(false);
    await expect(fetch(forge.url)).rejects.toThrow();
  });
});

describe("its webhook", () => {
  test("delivers what the real route takes", async () => {
    await using forge = await startForgeDouble();
    const secret = "a-webhook-secret-of-32-characters";
    const intakes: Intake[] = [];
    const route = receiveGithub({
      secrets: [secret],
      repos: ["*"],
      buildUrl: () => "https://ci.example.com",
      logger: createLogger({ process: "test", level: "error", now: Date.now }),
      accept: async (intake) => {
        intakes.push(intake);
        return { kind: "accepted", buildId: "b1", repo: "x/y", number: 1, queued: true };
      },
      acceptPullRequest: () => Promise.reject(new Error("None is sent here.")),
      recordIgnored: async ({ reason }) => ({ kind: "ignored", reason }),
    });
    const server = express().post("/webhooks/github", route).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    forge.hook.set({ url: `http://127.0.0.1:${port}/webhooks/github`, secret });
    const repo = await forge.addRepo("acme/hello", { defaultBranch: "trunk" });

    const pushed = await repo.commit({ a: "1" }, { message: "Hello" });
    const first = await forge.hook.push(pushed);
    await forge.hook.redeliver(first.deliveryId);
    await forge.hook.redeliver(first.deliveryId, { asNew: true });
    await forge.hook.push(await repo.tag("v1", { annotation: "one" }));
    await forge.hook.push(await repo.deleteRef("refs/tags/v1"));
    const ping = await forge.hook.event("ping");
    const issue = await forge.hook.event("issues");
    server.closeAllConnections();
    server.close();

    expect(ping).toMatchObject({ status: 200, body: { reason: "ping: the webhook works" } });
    expect(issue).toMatchObject({ status: 200 });
    expect(intakes).toHaveLength(5);
    expect(intakes[0]?.push).toMatchObject({ sha: pushed.sha, defaultBranch: "trunk" });
    expect(new Set(intakes.slice(0, 3).map(({ bodyDigest }) => bodyDigest)).size).toBe(1);
    expect(intakes[1]?.deliveryId).toBe(intakes[0]?.deliveryId);
    expect(intakes[2]?.deliveryId).not.toBe(intakes[0]?.deliveryId);
    expect(intakes[3]?.push).toMatchObject({ ref: "refs/tags/v1", sha: pushed.sha });
    expect(intakes[4]?.push).toMatchObject({ ref: "refs/tags/v1", sha: undefined });
  });
});
