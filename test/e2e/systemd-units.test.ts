import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { apiClient } from "../../src/cli/api-client.ts";
import { initGitRepo } from "../../src/cli/git-repo.ts";
import { startRedis } from "../support/a-redis.ts";
import { aFreePort } from "../support/free-port.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { until } from "../support/until.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const UNITS = join(ROOT, "scripts/systemd");
const LINES = 100;
const never = new AbortController().signal;

test("systemd finds nothing wrong with the units", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-units-"));
  try {
    await cp(UNITS, dir, { recursive: true });
    const names = (await readdir(dir)).filter((name) => /\.(service|target)$/.test(name));
    for (const name of names) {
      const text = await readFile(join(dir, name), "utf8");
      await writeFile(join(dir, name), text.replaceAll("/opt/tatara", ROOT));
    }
    const paths = names.map((name) => join(dir, name.replace("@.", "@one.")));
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${dir}:` };
    const { stderr } = await promisify(execFile)("systemd-analyze", ["verify", ...paths], { env });
    expect(stderr.split("\n").filter((line) => line.includes("tatara"))).toEqual([]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

/** What a unit starts, run as it stands there but for the folders. */
async function unitOf(name: string, dataDir: string) {
  const text = await readFile(join(UNITS, name), "utf8");
  const valuesOf = (key: string) =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
  const [command = "", ...args] = (valuesOf("ExecStart")[0] ?? "")
    .replaceAll("/opt/tatara", ROOT)
    .split(" ");
  const pairs = valuesOf("Environment").map((pair) => pair.split("="));
  const env = Object.fromEntries(pairs) as Record<string, string>;
  return { command, args, env: { ...env, TATARA_DATA_DIR: dataDir } };
}

test("each unit's process is killed and restarted alone, and the build survives", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-units-"));
  await using redis = await startRedis();
  const token = (): string => randomBytes(24).toString("hex");
  const tokens = { admin: token(), build: token(), publish: token(), report: token() };
  const dataDir = join(dir, "data");
  const common = { PATH: process.env["PATH"], TATARA_REDIS_URL: redis.url };
  const running = new Map<string, ChildProcess>();

  const start = async (name: string, settings: Record<string, string>): Promise<string> => {
    const unit = await unitOf(name, dataDir);
    const child = spawn(unit.command, unit.args, {
      cwd: ROOT,
      env: { ...common, ...unit.env, ...settings },
      stdio: ["ignore", "pipe", "ignore"],
    });
    running.set(name, child);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('{"ready":true')) return (JSON.parse(line) as { url?: string }).url ?? "";
    }
    throw new Error(`${name} did not start.`);
  };
  const end = async (name: string, signal: NodeJS.Signals): Promise<void> => {
    const child = running.get(name);
    running.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  const serverSettings = {
    TATARA_ADMIN_TOKEN: tokens.admin,
    TATARA_BUILD_TOKEN: tokens.build,
    TATARA_PUBLISH_TOKEN: tokens.publish,
    TATARA_REPORT_TOKEN: tokens.report,
  };
  try {
    // It must be free again after each end, so it is none that the system gives to anybody.
    const TATARA_PORT = String(await aFreePort());
    const url = await start("tatara-server.service", { ...serverSettings, TATARA_PORT });
    const worker = (kind: "build" | "publish" | "report") => ({
      TATARA_SERVER_URL: url,
      TATARA_WORKER_TOKEN: tokens[kind],
    });
    const units: readonly (readonly [string, Record<string, string>])[] = [
      ["tatara-server.service", { ...serverSettings, TATARA_PORT }],
      ["tatara-build@.service", { ...worker("build"), TATARA_WORKER_NAME: "units" }],
      ["tatara-publish.service", worker("publish")],
      ["tatara-report.service", worker("report")],
    ];
    for (const [name, settings] of units.slice(1)) await start(name, settings);

    const path = process.env["PATH"] ?? "";
    const repo = await initGitRepo(join(dir, "repo"), { path, author: "Test", signal: never });
    const command = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done`;
    await repo.commit(tinyRepo({ test: command }), "first commit");
    await repo.push({ url: `${url}/git/acme/tiny.git`, token: tokens.admin }, ["main"]);
    const api = apiClient({ url, token: tokens.admin, signal: never });
    const name = { repo: "acme/tiny", number: 1 };
    const isTesting = async () =>
      (await api.build(name)).jobs[0]?.steps.some(
        (step) => step.name === "test" && step.state === "running",
      );
    await until(() => isTesting().catch(() => false), true, { deadlineMs: 300_000, everyMs: 50 });
    for (const [unit, settings] of units) {
      for (const signal of ["SIGKILL", "SIGTERM"] as const) {
        await end(unit, signal);
        await start(unit, settings);
      }
    }

    const stateOf = () => api.build(name).then(({ state }) => state);
    await until(() => stateOf().catch(() => "away"), "passed", {
      deadlineMs: 300_000,
      everyMs: 200,
    });
    const build = await api.build(name);
    const log = await new Response(await api.log(build.id, { step: "test" })).text();
    expect(log.match(/^line \d+$/gm)).toHaveLength(LINES);
    expect(build.packages.map((one) => one.name)).toContain("tiny");
  } finally {
    for (const unit of [...running.keys()].toReversed()) await end(unit, "SIGTERM");
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
});
