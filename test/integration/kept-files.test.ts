import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import express from "express";
import { extract } from "tar-stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { orphanSweep, sweepKept } from "../../src/server/kept-sweep.ts";
import { keptRoutes } from "../../src/server/routes/kept-routes.ts";
import { LEASE_HEADER, PATHS } from "../../src/shared/protocol.ts";
import { aStore } from "../support/a-store.ts";
import { aRunningJob } from "../support/store-rig.ts";

const DAY_MS = 24 * 3_600_000;
let dir: string;
let held: Awaited<ReturnType<typeof aStore>>;
let server: Server;
let url: string;
let artifacts: ReturnType<typeof openArtifactFiles>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tatara-kept-"));
  held = await aStore();
  artifacts = openArtifactFiles(dir);
  const { store } = held;
  const app = express().use(
    keptRoutes({
      store,
      artifacts,
      announcer: { announce: () => undefined },
      token: "build-token",
      readers: (_request, _response, next) => next(),
      publicUrlOf: () => "http://ci.example.com",
    }),
  );
  server = createServer(app).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await held[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

async function upload(text: string): Promise<string> {
  const sha256 = createHash("sha256").update(text).digest("hex");
  await artifacts.store(sha256, Readable.from([Buffer.from(text)]), (prefix) => `${prefix}-1`);
  return sha256;
}

async function keep(
  { jobId, token }: { readonly jobId: string; readonly token: string },
  step: string,
  files: Readonly<Record<string, string>>,
  expiresMs = DAY_MS,
) {
  const uploaded = Object.entries(files).map(async ([path, text]) => {
    const sha256 = await upload(text);
    return { path, sizeBytes: text.length, sha256, isExecutable: path.startsWith("bin/") };
  });
  return await fetch(url + PATHS.kept(jobId, step), {
    method: "POST",
    headers: {
      authorization: "Bearer build-token",
      "content-type": "application/json",
      [LEASE_HEADER]: token,
    },
    body: JSON.stringify({ files: await Promise.all(uploaded), expiresMs, notes: [] }),
  });
}

test("what a step keeps is listed and downloaded, never shown as a page", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { "out/a b.html": "<script>alert(1)</script>", "bin/tool": "tool" });

  const listed = (await (await fetch(`${url}/api/builds/${job.buildId}/kept`)).json()) as {
    files: { path: string; url: string; isExecutable: boolean }[];
  };
  expect(listed.files.map(({ path, isExecutable }) => [path, isExecutable])).toEqual([
    ["bin/tool", true],
    ["out/a b.html", false],
  ]);
  const page = listed.files[1]?.url.replace("http://ci.example.com", url) ?? "";
  const answer = await fetch(page);
  expect(await answer.text()).toBe("<script>alert(1)</script>");
  expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  expect(answer.headers.get("content-disposition")).toBe('attachment; filename="a b.html"');
  expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  expect(answer.headers.get("content-security-policy")).toContain("sandbox");
  expect((await fetch(page.replace("a%20b", "c"))).status).toBe(404);
});

test("all files come as one tar, a folder for each job and step", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { "bin/tool": "tool", "a.txt": "x".repeat(300_000) });

  const answer = await fetch(`${url}/api/builds/${job.buildId}/kept.tar`);
  const entries = extract();
  Readable.fromWeb(answer.body as never).pipe(entries);
  const found: [string, number | undefined, number][] = [];
  for await (const entry of entries) {
    found.push([entry.header.name, entry.header.mode, (await buffer(entry)).length]);
  }

  expect(found.map(([name, mode, size]) => [name.replace(/^[^/]+\//, ""), mode, size])).toEqual([
    ["test/a.txt", 0o644, 300_000],
    ["test/bin/tool", 0o755, 4],
  ]);
});

test("an older attempt keeps nothing, and neither does a file that was not uploaded", async () => {
  const job = await aRunningJob(held.store);

  expect((await keep({ ...job, token: "t".repeat(64) }, "test", { a: "a" })).status).toBe(409);
  const missing = await fetch(url + PATHS.kept(job.jobId, "test"), {
    method: "POST",
    headers: { authorization: "Bearer build-token", "content-type": "application/json" },
    body: JSON.stringify({
      files: [{ path: "a", sizeBytes: 1, sha256: "0".repeat(64), isExecutable: false }],
      expiresMs: 1,
      notes: [],
    }),
  });
  expect(missing.status).toBe(400);
  expect((await fetch(`${url}/api/builds/${job.buildId}/kept.tar`)).status).toBe(404);
});

test("files expire; content that another still names stays, and what is told twice is one", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { short: "same", gone: "gone" }, DAY_MS);
  await keep(job, "test", { short: "same", gone: "gone" }, DAY_MS);
  await keep(job, "other", { long: "same" }, 3 * DAY_MS);
  for (const name of await contents()) {
    await utimes(join(dir, name.slice(0, 2), name), new Date(0), new Date(0));
  }

  held.advance(2 * DAY_MS);
  await sweepKept({ store: held.store, artifacts });

  const listed = await fetch(`${url}/api/builds/${job.buildId}/kept`);
  expect(await listed.json()).toMatchObject({ files: [{ path: "long" }] });
  expect(await contents()).toEqual([createHash("sha256").update("same").digest("hex")]);
});

test("a content that was just uploaded again is not swept under the worker's feet", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { a: "a" }, 1);
  held.advance(10);
  await upload("a");

  // Files have this machine's time.
  await sweepKept({ store: { ...held.store, now: Date.now }, artifacts });

  expect(await contents()).toHaveLength(1);
});

test.each(["/etc/passwd", "../up", "a/../../b", "a//b", "./a", "a/", "a\0b"])(
  "a worker cannot name a file %j: the tar would unpack it elsewhere",
  async (path) => {
    const job = await aRunningJob(held.store);
    expect((await keep(job, "test", { [path]: "x" })).ok).toBe(false);
    expect((await fetch(`${url}/api/builds/${job.buildId}/kept.tar`)).status).toBe(404);
  },
);

test("a size that a worker got wrong does not break the tar", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { a: "four", b: "x" });
  await held.store.db.updateTable("keptFiles").set({ sizeBytes: 400 }).execute();

  const answer = await fetch(`${url}/api/builds/${job.buildId}/kept.tar`);
  const entries = extract();
  Readable.fromWeb(answer.body as never).pipe(entries);
  const found: number[] = [];
  for await (const entry of entries) found.push((await buffer(entry)).length);
  expect(found).toEqual([4, 1]);
});

test("what was uploaded for an attempt that died is removed a day later, with halves of files", async () => {
  const job = await aRunningJob(held.store);
  await keep(job, "test", { named: "named" });
  const orphan = await upload("nobody named this");
  const fresh = await upload("nor this, yet");
  await writeFile(join(dir, orphan.slice(0, 2), `${orphan}.part-1`), "half");
  for (const name of await contents()) {
    if (name !== fresh) await utimes(join(dir, name.slice(0, 2), name), new Date(0), new Date(0));
  }

  const sweep = orphanSweep({ store: { ...held.store, now: Date.now }, artifacts });
  for (let folder = 0; folder < 256; folder += 1) await sweep();

  const named = createHash("sha256").update("named").digest("hex");
  expect([...(await contents())].toSorted()).toEqual([named, fresh].toSorted());
});

async function contents(): Promise<readonly string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map(({ name }) => name);
}
