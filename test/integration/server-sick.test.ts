import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { processEnv } from "../../src/shared/config.ts";
import { until } from "../support/until.ts";
import { aFreePort } from "../support/free-port.ts";

const SERVER = join(import.meta.dirname, "../../src/server/main.ts");
const DISK_BYTES = 16 * 2 ** 20;
/** A server that ends itself in order to be started again. */
const RESTART_CODE = 75;

async function aSmallDisk(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-sick-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tatara-test", dir]);
  onTestFinished(async () => {
    execFileSync("umount", ["--lazy", dir]);
    await rm(dir, { recursive: true, force: true });
  });
  return dir;
}

function launch(dataDir: string, port: number): ChildProcess {
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: processEnv()["PATH"],
      TATARA_DATA_DIR: dataDir,
      TATARA_PORT: String(port),
      TATARA_REDIS_URL: `unix://${join(dataDir, "no-redis.sock")}`,
      TATARA_BUILD_TOKEN: "a-build-token-for-tests",
      TATARA_PUBLISH_TOKEN: "a-publish-token-for-tests",
      TATARA_REPORT_TOKEN: "a-report-token-for-tests",
      TATARA_FREE_DISK_MIN_MIB: "1",
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error("It has no stdout.");
  await once(createInterface({ input: child.stdout }), "line");
}

test("a server whose disk takes no writes says so from its start, and starts by itself with room", async () => {
  const dataDir = await aSmallDisk();
  const port = await aFreePort();
  const health = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
    return { status: response?.status, text: (await response?.text()) ?? "" };
  };
  const first = launch(dataDir, port);
  await ready(first);
  first.kill("SIGKILL");
  await once(first, "exit");
  await writeFile(join(dataDir, "filler"), Buffer.alloc(DISK_BYTES)).catch(() => undefined);

  const sick = launch(dataDir, port);
  const ended = once(sick, "exit");
  await until(async () => (await health()).status, 503);
  const { text } = await health();
  expect(text).toMatch(/"status":"failing".*takes no writes: no space is left/);
  expect(text).toMatch(/Make room .*starts by itself/);
  const pushed = await fetch(`http://127.0.0.1:${port}/webhooks/github`, { method: "POST" });
  expect(pushed.status).toBe(503);

  await rm(join(dataDir, "filler"));
  expect(await ended).toEqual([RESTART_CODE, null]);
  await ready(launch(dataDir, port));
  expect((await health()).status).toBe(200);
});
