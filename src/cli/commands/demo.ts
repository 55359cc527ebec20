import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Env } from "../../shared/config.ts";
import { apiClient } from "../api-client.ts";
import type { ApiBuild, ApiStatus } from "../api-types.ts";
import { untilInterrupted } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { BASE_IMAGE, REPO, checkFailure, follow, install, push } from "../demo/acts.ts";
import { waitForStatus } from "../demo/acts.ts";
import type { Stage } from "../demo/acts.ts";
import { DEMO_FOLDER, disownFolder, ownFolder, removeAbandoned } from "../demo/abandoned.ts";
import { DEMO_LABEL } from "../demo/dnf-install.ts";
import { asDemoFailed, createNarrator, timeLine } from "../demo/narrator.ts";
import { removeOwn } from "../demo/remove-own.ts";
import { makeSample } from "../demo/sample.ts";
import { engineApi } from "../engine-api.ts";
import type { EngineApi } from "../engine-api.ts";
import { EngineError } from "../engine-http.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { PASSED_TO_ALL } from "../processes/process-table.ts";
import { startSupervisor } from "../supervisor.ts";
import type { Supervisor } from "../supervisor.ts";

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
    const dockerHost = dockerHostOf(context.env);
    const engine = engineApi(dockerHost, context.signal);
    await prepareEngine(engine);
    await removeAbandoned(tmpdir(), dockerHost, context.signal);
    await using place = await makePlace(context.text("data-dir"), dockerHost);
    try {
      return await runDemo(context, { narrator, engine, place });
    } catch (err) {
      const failed = asDemoFailed(err);
      if (failed === undefined) throw err;
      await place.keep();
      narrator.fail(failed);
      context.printer.complain(`The folder is kept: ${place.dir}`);
      return EXIT.failed;
    }
  },
};

/** The demo from start to end; each line is printed when it has come true. */
async function runDemo(context: CommandContext, stage: Stage): Promise<ExitCode> {
  const { narrator, place } = stage;
  const { signal, env } = context;
  const isBroken = context.flag("fail");
  await using supervisor = await narrator.timed("start", () => start(context, place.dir));
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

async function start({ env, signal }: CommandContext, dir: string): Promise<Supervisor> {
  const dataDir = join(dir, "data");
  return startSupervisor({ dataDir, env: demoEnv(env), signal });
}

/** Settings of a real server play no part: the demo never meets one. */
function demoEnv(env: Env): Env {
  const passed = [...PASSED_TO_ALL, "DOCKER_HOST"].map((name) => [name, env[name]] as const);
  return { ...Object.fromEntries(passed), TATARA_PORT: "0" };
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

/** Fails early, with the command that mends it; and removes what a killed demo left. */
async function prepareEngine(engine: EngineApi): Promise<void> {
  try {
    await engine.removeEnded(DEMO_LABEL);
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
  keep(): Promise<void>;
}

async function makePlace(given: string | undefined, dockerHost: string): Promise<Place> {
  const dir = given === undefined ? await mkdtemp(join(tmpdir(), DEMO_FOLDER)) : resolve(given);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0) {
    throw new CommandError(EXIT.usage, `${dir} is not empty.`, "a demo needs a folder of its own");
  }
  let isKept = given !== undefined;
  if (!isKept) await ownFolder(dir);
  return {
    dir,
    id: String(process.pid),
    keep: async () => {
      isKept = true;
      await disownFolder(dir);
    },
    [Symbol.asyncDispose]: async () => {
      if (isKept) return;
      await removeOwn(join(dir, "data"), dockerHost);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
