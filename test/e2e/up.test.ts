import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { processEnv } from "../../src/shared/config.ts";
import { processesThatMention } from "../support/leftover-processes.ts";
import { until } from "../support/until.ts";

const TATARA = join(import.meta.dirname, "../../bin/tatara");
const LINE_DEADLINE_MS = 60_000;

test("up prints a link that signs in, and ends everything on SIGTERM", async () => {
  await using place = await makePlace();
  const up = startUp(place.dataDir, []);
  const link = await up.lineLike(/^ {2}Open {2}(http:\S+)/);

  const signedIn = await fetch(link, { redirect: "manual" });
  const again = await fetch(link, { redirect: "manual" });
  expect([signedIn.status, again.status]).toEqual([303, 401]);
  expect(
    up
      .lines()
      .slice(0, 5)
      .map((line) => line.slice(0, 20).trimEnd()),
  ).toEqual([
    "  ok    settings",
    "  ok    docker",
    "  ok    signing key",
    "  ok    workers",
    expect.stringMatching(/^ready in \d/),
  ]);

  up.child.kill("SIGTERM");
  const [code] = (await once(up.child, "exit")) as [number];
  expect(code).toBe(0);
  expect(await processesThatMention(place.dataDir)).toEqual([]);
});

test("up that is killed leaves no process, and the next one starts in the same folder", async () => {
  await using place = await makePlace();
  const first = startUp(place.dataDir, ["--json"]);
  const ready = JSON.parse(await first.lineLike(/^(\{.*)/)) as { url: string };
  const token = await readFile(join(place.dataDir, "admin-token"), "utf8");

  first.child.kill("SIGKILL");
  const second = startUp(place.dataDir, ["--json"]);
  const next = JSON.parse(await second.lineLike(/^(\{.*)/)) as { url: string; ready: boolean };

  expect(next.ready).toBe(true);
  await expect(fetch(`${ready.url}/healthz`)).rejects.toThrow("fetch failed");
  expect(await readFile(join(place.dataDir, "admin-token"), "utf8")).toBe(token);

  second.child.kill("SIGINT");
  await once(second.child, "exit");
  await until(() => processesThatMention(place.dataDir), []);
});

test("up says all that is wrong with the settings of any process, and starts nothing", async () => {
  await using place = await makePlace();
  const env = { TATARA_BUILD_SLOTS: "many", TATARA_GITHUB_STATUS_TOKEN: "short" };

  const up = startUp(place.dataDir, [], env);
  const [code] = (await once(up.child, "exit")) as [number];

  expect(code).toBe(2);
  expect(up.complaints()).toContain("TATARA_BUILD_SLOTS=many: a whole number from 1 to 64");
  expect(up.complaints()).toContain("TATARA_GITHUB_STATUS_TOKEN is shorter than 16 characters");
  expect(await readdir(place.dataDir)).toEqual([]);
});

function startUp(
  dataDir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(TATARA, ["up", ...args], {
    env: {
      PATH: processEnv()["PATH"],
      HOME: processEnv()["HOME"],
      LANG: "C.UTF-8",
      TATARA_PORT: "0",
      TATARA_DATA_DIR: dataDir,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  let complaints = "";
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  return {
    child,
    lines: () => lines,
    complaints: () => complaints,
    lineLike: async (pattern: RegExp): Promise<string> => {
      const found = () => lines.map((line) => pattern.exec(line)?.[1]).find(Boolean);
      await until(() => found() !== undefined, true, { deadlineMs: LINE_DEADLINE_MS });
      return found() ?? "";
    },
  };
}

async function makePlace() {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-up-"));
  return {
    dataDir,
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}
