import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import { aGitWorkTree } from "../support/git-work-tree.ts";
import { processesThatMention } from "../support/leftover-processes.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const TATARA = join(import.meta.dirname, "../../bin/tatara");
const LINES = 25;
const PHASES = ["queued", "checkout", "image", "test", "package", "publish"] as const;

/** `npm start` as a process of its own, so that it can be killed. */
async function startUp(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(TATARA, ["up", "--json"], {
    env: { ...process.env, TATARA_PORT: "0", TATARA_DATA_DIR: dataDir, TATARA_WORKER_NAME: "up" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

async function newestBuild(
  url: string,
  token: string,
  repo: string,
): Promise<ApiBuild | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const get = async (path: string) => (await fetch(url + path, { headers })).json();
  const { builds } = (await get(`/api/builds?repo=${repo}&limit=1`)) as { builds: ApiBuild[] };
  return builds[0] && ((await get(`/api/builds/${builds[0].id}`)) as ApiBuild);
}

function isIn(phase: (typeof PHASES)[number], build: ApiBuild | undefined): boolean {
  if (build === undefined) return false;
  if (phase === "queued") return true;
  if (phase === "publish") return build.publish !== null;
  const step = build.jobs[0]?.steps.find(({ name }) => name === phase);
  return step !== undefined && step.state !== "queued";
}

test("kill -9 of the supervisor in every phase: all ends with it, and the next start finishes the build", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-up-"));
  let up = await startUp(dataDir);
  const token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
  try {
    for (const phase of PHASES) {
      await using tree = await aGitWorkTree({ token });
      const files = tinyRepo({
        dockerfile: `FROM tatara/base\nRUN echo ${phase} ${Date.now()} && sleep 0.5\n`,
        test: `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done`,
        build: "sleep 0.5",
      });
      const spec = (files["tiny.spec"] ?? "").replace("Name: tiny", `Name: tiny-${phase}`);
      await tree.commit({ ...files, "tiny.spec": spec }, phase);
      await tree.git("push", `${up.url}/git/kill/${phase}.git`, "main");
      const look = () => newestBuild(up.url, token, `kill/${phase}`);
      await until(async () => isIn(phase, await look()), true, { deadlineMs: 300_000, everyMs: 5 });

      up.child.kill("SIGKILL");
      up = await startUp(dataDir);

      const state = async () => (await look().catch(() => undefined))?.state;
      await until(state, "passed", { deadlineMs: 300_000, everyMs: 50 });
      const build = await look();
      const log = `${up.url}/api/builds/${build?.id ?? ""}/log?step=test`;
      const answer = await fetch(log, { headers: { authorization: `Bearer ${token}` } });
      const numbers = [...(await answer.text()).matchAll(/^line (\d+)$/gm)].map((line) =>
        Number(line[1]),
      );
      expect(numbers).toEqual(Array.from({ length: LINES }, (_none, index) => index + 1));
    }
    await until(() => leftOf(dataDir), "", { deadlineMs: 120_000, everyMs: 500 });
  } finally {
    up.child.kill("SIGTERM");
    await once(up.child, "exit");
    await removeWhatIsLeft(dataDir);
    await until(() => processesThatMention(dataDir), []);
    await rm(dataDir, { recursive: true, force: true });
  }
  expect(up.child.exitCode).toBe(0);
});

test("Redis that is emptied in the middle of builds loses nothing", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-up-"));
  const up = await startUp(dataDir);
  const token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
  try {
    await using tree = await aGitWorkTree({ token });
    await tree.commit(tinyRepo({ test: "sleep 0.3" }), "first");
    const [server = 0] = await serverPids(dataDir);
    const environment = await readFile(`/proc/${server}/environ`, "utf8");
    const socket = /TATARA_REDIS_URL=(?:unix:\/\/)?([^\0]+)/.exec(environment)?.[1] ?? "";

    for (const branch of ["main", "b1", "b2", "b3"]) {
      await tree.git("push", `${up.url}/git/flush/tiny.git`, `main:${branch}`);
      await run("redis-cli", ["-s", socket, "FLUSHALL"]);
    }

    const headers = { authorization: `Bearer ${token}` };
    const states = async () => {
      const answer = await fetch(`${up.url}/api/builds?repo=flush/tiny`, { headers });
      const { builds } = (await answer.json()) as { builds: ApiBuild[] };
      return builds.map(({ state }) => state);
    };
    await until(states, ["passed", "passed", "passed", "passed"], { deadlineMs: 300_000 });
  } finally {
    up.child.kill("SIGTERM");
    await once(up.child, "exit");
    await removeWhatIsLeft(dataDir);
    await rm(dataDir, { recursive: true, force: true });
  }
});

const KINDS = [
  { list: ["ps", "--all", "--quiet"], remove: ["rm", "--force", "--volumes"] },
  { list: ["volume", "ls", "--quiet"], remove: ["volume", "rm", "--force"] },
  { list: ["network", "ls", "--quiet"], remove: ["network", "rm"] },
];

/** What the worker still has on the engine; its reaper looks again 10 and 30 seconds after its start. */
async function leftOf(dataDir: string): Promise<string> {
  const found = await Promise.all(KINDS.map(({ list }) => listed(dataDir, list)));
  return found.flat().join(" ");
}

/** After a test that failed its worker never comes back to remove it. */
async function removeWhatIsLeft(dataDir: string): Promise<void> {
  for (const { list, remove } of KINDS) {
    const found = await listed(dataDir, list);
    if (found.length > 0) await run("docker", [...remove, ...found]);
  }
}

async function listed(dataDir: string, list: readonly string[]): Promise<readonly string[]> {
  const worker = (await readFile(join(dataDir, "worker", "up", "id"), "utf8")).trim();
  const filter = ["--filter", `label=dev.tatara.worker=${worker}`];
  const { stdout } = await run("docker", [...list, ...filter]);
  return stdout.split("\n").filter((id) => id !== "");
}

/** The server's process, found by the data folder in its environment. */
async function serverPids(dataDir: string): Promise<readonly number[]> {
  const own: number[] = [];
  for (const pid of (await readdir("/proc")).map(Number).filter(Number.isInteger)) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
    const isServer = (await read("cmdline")).includes("src/server/main.ts");
    if (isServer && (await read("environ")).includes(dataDir)) own.push(pid);
  }
  return own;
}
