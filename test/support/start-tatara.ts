import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { State } from "../../src/domain/states.ts";
import { isFinal } from "../../src/domain/states.ts";
import { apiClient } from "../../src/cli/api-client.ts";
import type { ApiClient, BuildName } from "../../src/cli/api-client.ts";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import { engineApi } from "../../src/cli/engine-api.ts";
import { parseBuildName } from "../../src/cli/find-build.ts";
import { initGitRepo } from "../../src/cli/git-repo.ts";
import type { GitRepo } from "../../src/cli/git-repo.ts";
import type { ProcessName, ProcessTable } from "../../src/cli/processes/process-table.ts";
import { startSupervisor } from "../../src/cli/supervisor.ts";
import type { Supervisor } from "../../src/cli/supervisor.ts";
import { processEnv } from "../../src/shared/config.ts";
import { processesThatMention } from "./leftover-processes.ts";
import { realEngine } from "./engine-rig.ts";
import { aFreePort } from "./free-port.ts";
import { KEPT_NAME, withoutKept } from "./kept-names.ts";
import { until } from "./until.ts";

const BUILD_DEADLINE_MS = 600_000;
const WORKER_NAME = "test";

export interface StartTataraOptions {
  /** Settings beside the defaults. */
  readonly env?: Readonly<Record<string, string>>;
  /** Other programs than the usual. */
  readonly processes?: ProcessTable;
  /** Keeps the folder and prints where it is: for looking at a failure. */
  readonly keep?: boolean;
  /** Fills the data folder before anything starts. */
  readonly prepare?: (dataDir: string) => Promise<void>;
}

/** A whole Tatara with real parts, on a free port, in a folder of its own. */
export interface Tatara extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly token: string;
  readonly client: ApiClient;
  readonly supervisor: Supervisor;
  /** A git repository with these files as its first commit on `main`, not pushed yet. */
  createRepo(name: string, files?: Readonly<Record<string, string>>): Promise<TestRepo>;
  /** JSON of the API, asked with the admin token. */
  api(path: string, init?: RequestInit): Promise<unknown>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** `owner/name#1` or an id. */
  build(build: string): Promise<ApiBuild>;
  /** Waits for the state; a build that ends in another one fails at once, with its failure and log. */
  until(build: string, state: State, deadlineMs?: number): Promise<ApiBuild>;
  log(build: string, step: string): Promise<string>;
  kill(process: ProcessName, signal?: NodeJS.Signals): void;
  /** Waits until the reaper has removed what killed workers left on the engine. */
  untilNothingIsLeft(): Promise<void>;
  /** What a process wrote to its operator's log. */
  operatorLog(process: ProcessName | "supervisor"): Promise<string>;
}

export interface TestRepo {
  readonly name: string;
  readonly dir: string;
  readonly url: string;
  git(args: readonly string[]): Promise<string>;
  copyFrom(folder: string): Promise<void>;
  commit(files: Readonly<Record<string, string>>, message?: string): Promise<string>;
  /** Pushes (`main`, if nothing is named); returns what git printed. */
  push(...refspecs: readonly string[]): Promise<string>;
}

export async function startTatara(options: StartTataraOptions = {}): Promise<Tatara> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-"));
  const temp = join(dir, "tmp");
  const dataDir = join(dir, "data");
  await mkdir(temp);
  const given = processEnv();
  const dockerHost =
    options.env?.["DOCKER_HOST"] ?? given["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  await options.prepare?.(dataDir);
  const supervisor = await startSupervisor({
    dataDir,
    ...(options.processes === undefined ? {} : { processes: options.processes }),
    env: {
      ...given,
      // A server that is killed must find it free again.
      TATARA_PORT: String(await aFreePort()),
      TATARA_WORKER_NAME: WORKER_NAME,
      DOCKER_HOST: dockerHost,
      TMPDIR: temp,
      ...options.env,
    },
    signal: AbortSignal.timeout(300_000),
  });
  const token = await supervisor.adminToken();
  const place = { dir, temp, dataDir, dockerHost, keep: options.keep === true };
  return tatara({ supervisor, token, place, path: given["PATH"] ?? "" });
}

interface Place {
  readonly dir: string;
  readonly temp: string;
  readonly dataDir: string;
  readonly dockerHost: string;
  readonly keep: boolean;
}

function tatara(parts: {
  readonly supervisor: Supervisor;
  readonly token: string;
  readonly place: Place;
  readonly path: string;
}): Tatara {
  const { supervisor, token, place, path } = parts;
  const { url, dataDir } = supervisor;
  const never = new AbortController().signal;
  const client = apiClient({ url, token, signal: never });
  const build = (name: string) => client.build(buildName(name));
  const ask = (to: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(url + to, { ...init, headers });
  };
  const log = async (name: string, step: string): Promise<string> => {
    const { id } = await build(name);
    return new Response(await client.log(id, { step })).text();
  };

  return {
    url,
    dataDir,
    token,
    client,
    supervisor,
    build,
    log,
    fetch: ask,
    createRepo: async (name, files = {}) => {
      const dir = join(place.dir, "repos", name);
      const repo = await initGitRepo(dir, { path, author: "Test", signal: never });
      if (Object.keys(files).length > 0) await repo.commit(files, "first commit");
      return testRepo(repo, name, { url: `${url}/git/${name}.git`, token });
    },
    api: async (to, init) => {
      const response = await ask(to, init);
      if (response.ok) return response.json();
      throw new Error(`${to}: ${response.status} ${await response.text()}`);
    },
    until: async (name, state, deadlineMs = BUILD_DEADLINE_MS) => {
      const seen = async (): Promise<State | "absent"> => {
        const found = await build(name).catch(() => undefined);
        if (found !== undefined && isFinal(found.state) && found.state !== state) {
          throw new Error(await story(found, (step) => log(found.id, step)));
        }
        return found?.state ?? "absent";
      };
      await until(seen, state, { deadlineMs, everyMs: 100 });
      return build(name);
    },
    kill: (process, signal = "SIGKILL") => supervisor.kill(process, signal),
    untilNothingIsLeft: () =>
      until(() => leftOnEngine(place), [], { deadlineMs: 120_000, everyMs: 200 }),
    operatorLog: (process) => readFile(join(dataDir, "log", `${process}.log`), "utf8"),
    [Symbol.asyncDispose]: () => dispose(supervisor, place),
  };
}

function testRepo(
  repo: GitRepo,
  name: string,
  remote: { readonly url: string; readonly token: string },
): TestRepo {
  return {
    name,
    dir: repo.dir,
    url: remote.url,
    git: repo.git,
    copyFrom: repo.copyFrom,
    commit: (files, message = "change") => repo.commit(files, message),
    push: (...refspecs) => repo.push(remote, refspecs.length > 0 ? refspecs : ["main"]),
  };
}

function buildName(name: string): BuildName {
  return parseBuildName(name, undefined);
}

/** Why a build did not end as a test wanted, as far as one can see it from outside. */
async function story(build: ApiBuild, log: (step: string) => Promise<string>): Promise<string> {
  const steps = build.jobs.flatMap((job) => job.steps);
  const bad = steps.find(({ state }) => state === "failed" || state === "errored");
  const text = bad === undefined ? "" : await log(bad.name).catch(String);
  return [
    `${build.repo} #${build.number} is ${build.state}: ${build.reason ?? ""}`,
    JSON.stringify(build.failure, undefined, 2),
    steps.map(({ name, state }) => `${name}=${state}`).join(" "),
    text.slice(-3_000),
  ].join("\n");
}

/** Ends everything, then looks whether anything of it is left anywhere. */
async function dispose(supervisor: Supervisor, place: Place): Promise<void> {
  const problems: string[] = [];
  try {
    await supervisor.stop();
    await removeKept(place);
    problems.push(...(await leftovers(place)));
  } finally {
    if (place.keep || problems.length > 0) process.stderr.write(`kept: ${place.dir}\n`);
    else await rm(place.dir, { recursive: true, force: true });
  }
  if (problems.length > 0) throw new Error(`Left behind:\n  ${problems.join("\n  ")}`);
}

async function leftovers(place: Place): Promise<readonly string[]> {
  const files = await readdir(place.temp);
  return [
    ...(await leftOnEngine(place)),
    ...(await processesThatMention(place.dir)),
    ...files.map((name) => `temporary file ${name}`),
  ];
}

/** A container of a failed step outlives its job on purpose; not its test. */
async function removeKept(place: Place): Promise<void> {
  const later = realEngine({ now: () => Date.now() + 24 * 3_600_000 });
  for (const name of await labelledOnEngine(place)) {
    const [, , jobId, attempt] = KEPT_NAME.exec(name) ?? [];
    if (jobId === undefined) continue;
    await later.removeAllOf({ jobId, attempt: Number(attempt) }, AbortSignal.timeout(120_000));
  }
}

async function leftOnEngine(place: Place): Promise<readonly string[]> {
  return withoutKept(await labelledOnEngine(place));
}

/** Of every worker that ever worked in the folder: a test may have started some of its own. */
async function labelledOnEngine({ dataDir, dockerHost }: Place): Promise<readonly string[]> {
  const folder = join(dataDir, "worker");
  const found: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const workerId = (await readFile(join(folder, name, "id"), "utf8").catch(() => "")).trim();
    if (workerId === "") continue;
    const engine = engineApi(dockerHost, AbortSignal.timeout(30_000));
    found.push(...(await engine.labelled(`dev.tatara.worker=${workerId}`)));
  }
  return found;
}
