import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { apiClient } from "../../src/cli/api-client.ts";
import { initGitRepo } from "../../src/cli/git-repo.ts";
import { buildOwnImage, docker, startComposed } from "../support/compose.ts";
import type { OwnImage } from "../support/compose.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { until } from "../support/until.ts";

const SERVICES = ["redis", "server", "build", "publish", "report"] as const;
const LINES = 200;
const never = new AbortController().signal;

let image: OwnImage;
beforeAll(async () => {
  image = await buildOwnImage();
});
afterAll(async () => {
  await image[Symbol.asyncDispose]();
});

test("Tatara's own image builds on tatara/base and serves without root", async () => {
  const container = await docker("run", "--detach", "--label", "tatara.test=image", image.name);
  onTestFinished(async () => void (await docker("rm", "--force", "--volumes", container)));

  const healthOf = async (): Promise<string> => {
    const script =
      "const r = await fetch('http://127.0.0.1:8080/healthz'); console.log(r.status, process.getuid() !== 0)";
    const eval_ = ["node", "--input-type=module", "--eval", script];
    return await docker("exec", container, ...eval_).catch(() => "no answer");
  };
  await until(healthOf, "200 true", { deadlineMs: 300_000, everyMs: 500 });
  expect(await docker("exec", container, "bin/tatara", "version")).toContain("tatara 0.1.0");
});

test("compose.yaml: a push becomes a package while each service dies and is restarted", async () => {
  await using tatara = await startComposed(image.name);
  const { url, adminToken: token } = tatara;
  const api = apiClient({ url, token, signal: never });
  const status = () => api.health().then(({ status }) => status !== "failing");
  await until(() => status().catch(() => false), true, { deadlineMs: 300_000, everyMs: 300 });

  const dir = await mkdtemp(join(tmpdir(), "tatara-compose-repo-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const path = process.env["PATH"] ?? "";
  const repo = await initGitRepo(dir, { path, author: "Test", signal: never });
  const test_ = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done`;
  await repo.commit(tinyRepo({ test: test_ }), "first commit");
  await repo.push({ url: `${url}/git/acme/tiny.git`, token }, ["main"]);
  const name = { repo: "acme/tiny", number: 1 };
  const isTesting = async () =>
    (await api.build(name)).jobs[0]?.steps.some(
      (step) => step.name === "test" && step.state === "running",
    );
  await until(() => isTesting().catch(() => false), true, { deadlineMs: 300_000, everyMs: 100 });

  for (const service of SERVICES) {
    await tatara.crash(service);
    await tatara.compose("restart", "--timeout", "15", service);
  }

  const stateOf = () => api.build(name).then(({ state }) => state);
  await until(() => stateOf().catch(() => "away"), "passed", { deadlineMs: 300_000, everyMs: 500 });
  const build = await api.build(name);
  expect(build.packages.map((one) => one.name)).toContain("tiny");
  const log = await new Response(await api.log(build.id, { step: "test" })).text();
  expect(log.match(/^line \d+$/gm)).toHaveLength(LINES);
  expect((await fetch(`${url}/yum/dev.repo`)).status).toBe(200);

  for (const service of SERVICES) {
    const container = await tatara.containerOf(service);
    const mounts = await docker("inspect", "--format", "{{json .Mounts}}", container);
    expect([service, mounts.includes("docker.sock")]).toEqual([service, service === "build"]);
    expect([service, mounts.includes("/data/keys")]).toEqual([service, service === "publish"]);
    expect([service, mounts.includes("/data/yum")]).toEqual([
      service,
      service === "publish" || service === "server",
    ]);
  }
  await tatara.compose("run", "--rm", "backup");
  const [taken = ""] = await readdir(tatara.backups);
  await tatara.compose("run", "--rm", "backup", "tatara", "restore", "--check", `/backup/${taken}`);
});
