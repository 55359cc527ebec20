import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Env } from "../../shared/config.ts";
import { apiClient } from "../api-client.ts";
import type { ApiClient } from "../api-client.ts";
import type { ApiBuild, ApiStatus } from "../api-types.ts";
import { untilInterrupted } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { createNarrator, DemoFailed, timeLine } from "../demo/narrator.ts";
import type { Narrator } from "../demo/narrator.ts";
import { dnfInstall } from "../demo/dnf-install.ts";
import { makeSample } from "../demo/sample.ts";
import type { Sample } from "../demo/sample.ts";
import { EngineError, engineApi } from "../engine-api.ts";
import type { EngineApi } from "../engine-api.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { followBuild } from "../follow-build.ts";
import { PASSED_TO_ALL } from "../processes/process-table.ts";
import { failureLines, headerLine, shortSha } from "../show-build.ts";
import { stepPrinter } from "../step-printer.ts";
import { startSupervisor } from "../supervisor.ts";
import type { Supervisor } from "../supervisor.ts";

const REPO = "acme/hello";
const PACKAGE = "hello";
const CHANNEL = "dev";
const BASE_IMAGE = "tatara/base";
const STATUS_DEADLINE_MS = 30_000;
const STATUS_EVERY_MS = 50;

export const demo: Command = {
  name: "demo",
  usage: "",
  summary: "The whole line for real: git push, tests in containers, signed RPM, dnf install.",
  examples: [
    ["tatara demo", "on a free port, in a folder of its own; stays up until Ctrl-C"],
    ["tatara demo --exit", "for scripts: status 0 only if every line is true"],
    ["tatara demo --fail", "a push with a broken test, and what is said about it"],
  ],
  options: {
    exit: { type: "boolean", help: "end when everything is shown" },
    fail: { type: "boolean", help: "push a commit with a broken test" },
    "data-dir": { type: "string", value: "folder", help: "work there, and keep it" },
  },
  positionalsMax: 0,
  run: async (context) => {
    const narrator = createNarrator(context.printer, context.isJson);
    const engine = engineApi(dockerHostOf(context.env), context.signal);
    await requireBaseImage(engine);
    await using place = await makePlace(context.text("data-dir"));
    try {
      return await runDemo(context, { narrator, engine, place });
    } catch (err) {
      if (!(err instanceof DemoFailed)) throw err;
      place.keep();
      narrator.fail(err);
      context.printer.complain(`The folder is kept: ${place.dir}`);
      return EXIT.failed;
    }
  },
};

interface Stage {
  readonly narrator: Narrator;
  readonly engine: EngineApi;
  readonly place: Place;
}

/** The demo from start to end; each line is printed when it has come true. */
async function runDemo(context: CommandContext, stage: Stage): Promise<ExitCode> {
  const { narrator, place } = stage;
  const { signal, env } = context;
  const isBroken = context.flag("fail");
  await using supervisor = await narrator.timed("start", () => start(context, place));
  narrator.ok("started", `redis, server, build, publish, report   ${supervisor.url}`);
  const token = await supervisor.adminToken();
  const api = apiClient({ url: supervisor.url, token, signal });

  const dir = join(place.dir, "hello");
  const sample = await makeSample(dir, { isBroken, path: env["PATH"] ?? "", signal });
  const broken = isBroken ? ", one of them broken" : "";
  narrator.ok("sample repo", `${REPO}: Dockerfile, hello.spec, ${sample.testCount} tests${broken}`);

  const build = await push(stage, { sample, api, token });
  const ended = await follow(context, stage, { api, build });
  if (isBroken) checkFailure(context, stage, { build: ended, sample });
  else await install(stage, { build: ended, url: supervisor.url, signal });
  const status = await waitForStatus(stage, {
    api,
    sample,
    signal,
    wanted: isBroken ? "failure" : "success",
  });

  return await close(context, stage, { supervisor, build: ended, status });
}

async function start({ env, signal }: CommandContext, place: Place): Promise<Supervisor> {
  const dataDir = join(place.dir, "data");
  return startSupervisor({ dataDir, env: demoEnv(env), signal });
}

/** Settings of a real server play no part: the demo never meets one. */
function demoEnv(env: Env): Env {
  const passed = [...PASSED_TO_ALL, "DOCKER_HOST"].map((name) => [name, env[name]] as const);
  return { ...Object.fromEntries(passed), TATARA_PORT: "0" };
}

async function push(
  { narrator }: Stage,
  {
    sample,
    api,
    token,
  }: { readonly sample: Sample; readonly api: ApiClient; readonly token: string },
): Promise<ApiBuild> {
  const remote = { url: `${api.url}/git/${REPO}.git`, token };
  const startedAt = performance.now();
  const said = await narrator.timed("git push", () => sample.repo.push(remote, ["main"]));
  const tookMs = Math.round(performance.now() - startedAt);
  const number = Number(/build #(\d+)/.exec(said)?.[1]);
  if (!Number.isInteger(number)) throw new DemoFailed("git push: the server named no build", said);
  narrator.ok("git push", `main ${shortSha(sample.sha)}, accepted in ${tookMs} ms`);
  return api.build({ repo: REPO, number });
}

async function follow(
  { printer, signal, now, flag }: CommandContext,
  { narrator }: Stage,
  { api, build }: { readonly api: ApiClient; readonly build: ApiBuild },
): Promise<ApiBuild> {
  const wordColumns = flag("fail") ? 8 : 6;
  const steps = stepPrinter({ printer, now, say: narrator.say, wordColumns });
  let last = build;
  let isTitled = false;
  narrator.say();
  try {
    await narrator.timed("build", async () => {
      for await (const next of followBuild(build, { api, signal })) {
        last = next;
        // Who wrote what is known once the worker has fetched the commit.
        if (!isTitled && next.message !== "") narrator.say(...headerLine(next));
        isTitled ||= next.message !== "";
        if (isTitled) steps.show(next);
      }
    });
    if (!isTitled) narrator.say(...headerLine(last));
    steps.show(last);
  } finally {
    steps.end();
  }
  narrator.say();
  return last;
}

function checkFailure(
  { isJson }: CommandContext,
  { narrator }: Stage,
  { build, sample }: { readonly build: ApiBuild; readonly sample: Sample },
): void {
  const { failure, state } = build;
  if (state !== "failed" || failure === null) {
    throw new DemoFailed(`the build with the broken test is ${state}`, build.reason ?? "");
  }
  if (!isJson) for (const line of failureLines(failure)) narrator.say(...line);
  narrator.say();
  const { test, file, line } = sample.broken ?? { test: "", file: "", line: 0 };
  const isNamed = failure.title.includes(test) && failure.file === file && failure.line === line;
  if (!isNamed) throw new DemoFailed(`the failure card does not name "${test}" at ${file}:${line}`);
  narrator.ok("named", `"${test}" at ${file}:${line}`);
}

async function install(
  { narrator, engine, place }: Stage,
  {
    build,
    url,
    signal,
  }: { readonly build: ApiBuild; readonly url: string; readonly signal: AbortSignal },
): Promise<void> {
  if (build.state !== "passed") {
    const why = build.failure === null ? (build.reason ?? "") : build.failure.excerpt;
    throw new DemoFailed(`the build is ${build.state}: ${build.failure?.title ?? ""}`, why);
  }
  const response = await fetch(`${url}/yum/${CHANNEL}.repo`, { signal });
  const repoFile = await response.text();
  if (!response.ok) throw new DemoFailed(`the .repo file: ${response.status}`, repoFile);
  const checks = ["gpgcheck=1", "repo_gpgcheck=1"].filter((line) =>
    repoFile.split("\n").includes(line),
  );
  narrator.say(`dnf install ${PACKAGE}    fresh container, ${checks.join(" ")}`);

  const { exitCode, installed, version, output } = await narrator.timed("dnf install", () =>
    dnfInstall({ engine, image: BASE_IMAGE, repoFile, packageName: PACKAGE, demoId: place.id }),
  );
  if (exitCode !== 0 || installed === undefined) {
    throw new DemoFailed(`dnf install ended with status ${exitCode}`, output);
  }
  if (checks.length < 2)
    throw new DemoFailed("the .repo file does not ask for both checks", repoFile);
  if (!build.packages.some(({ nevra }) => nevra === installed)) {
    throw new DemoFailed(`${installed} was installed, which this build did not make`, output);
  }
  narrator.ok("installed", installed);
  narrator.ok("runs", `${PACKAGE} --version -> ${version ?? ""}`);
}

async function waitForStatus(
  { narrator }: Stage,
  options: {
    readonly api: ApiClient;
    readonly sample: Sample;
    readonly signal: AbortSignal;
    readonly wanted: "success" | "failure";
  },
): Promise<ApiStatus> {
  const { api, sample, signal, wanted } = options;
  const endAt = performance.now() + STATUS_DEADLINE_MS;
  return narrator.timed("status", async () => {
    for (;;) {
      const statuses = await api.statuses(REPO, sample.sha);
      const status = statuses.find(
        ({ context, state }) => context === "tatara" && state === wanted,
      );
      if (status !== undefined) {
        narrator.ok("status", `tatara: ${status.state} "${status.description ?? ""}"`);
        return status;
      }
      if (performance.now() > endAt) {
        throw new DemoFailed(`the commit has no status ${wanted}`, JSON.stringify(statuses));
      }
      await delay(STATUS_EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  });
}

async function close(
  context: CommandContext,
  { narrator }: Stage,
  facts: { readonly supervisor: Supervisor; readonly build: ApiBuild; readonly status: ApiStatus },
): Promise<ExitCode> {
  const { build, status, supervisor } = facts;
  const isExit = context.flag("exit");
  narrator.say();
  narrator.say(`Time   ${timeLine(narrator.times())}`);
  if (context.isJson) {
    const { url, state, failure, packages } = build;
    context.printer.json({ url, state, failure, packages, status, times: narrator.times() });
  }
  if (isExit) return EXIT.ok;

  const link = new URL(supervisor.loginUrl() ?? build.url);
  link.searchParams.set("next", new URL(build.url).pathname);
  narrator.say("Open   ", { ink: "bold", text: String(link) }, "   one use; until Ctrl-C");
  const next = context.flag("fail") ? "npm start" : "npm run demo -- --fail";
  const what = context.flag("fail") ? "a server of your own" : "the same push with a broken test";
  narrator.say(`Next   ${next.padEnd(30)}${what}`);
  await untilInterrupted(context.signal);
  return EXIT.ok;
}

async function requireBaseImage(engine: EngineApi): Promise<void> {
  try {
    if (await engine.hasImage(BASE_IMAGE)) return;
  } catch (err) {
    if (!(err instanceof EngineError)) throw err;
    throw new CommandError(EXIT.usage, `The demo needs Docker: ${err.message}`, "tatara doctor");
  }
  throw new CommandError(EXIT.usage, `There is no image ${BASE_IMAGE}.`, "sh scripts/base-image");
}

function dockerHostOf(env: Env): string {
  return env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
}

interface Place extends AsyncDisposable {
  readonly dir: string;
  readonly id: string;
  /** Leaves the folder for whoever looks into a failure. */
  keep(): void;
}

async function makePlace(given: string | undefined): Promise<Place> {
  const dir = given === undefined ? await mkdtemp(join(tmpdir(), "tatara-demo-")) : resolve(given);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let isKept = given !== undefined;
  return {
    dir,
    id: String(process.pid),
    keep: () => (isKept = true),
    [Symbol.asyncDispose]: async () => {
      if (!isKept) await rm(dir, { recursive: true, force: true });
    },
  };
}
