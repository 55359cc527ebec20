import { appendFileSync } from "node:fs";
import { join, relative } from "node:path";
import { readSupervisorConfig } from "../../shared/config.ts";
import type { Env, SupervisorConfig } from "../../shared/config.ts";
import { createLogger } from "../../shared/logger.ts";
import { redisAway } from "../../shared/redis-address.ts";
import { checkProcessSettings, unknownInWords } from "../check-settings.ts";
import { Interrupted, untilInterrupted } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { describeEngine } from "../engine-api.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { humanLogLine } from "../log-line.ts";
import type { Printer } from "../print.ts";
import { formatMs } from "../show-build.ts";
import { readSigningKey } from "../signing-key.ts";
import { DataDirInUse, StartFailed, StartRefused, startSupervisor } from "../supervisor.ts";
import type { Supervisor, SupervisorEvent } from "../supervisor.ts";

/** A start is not held up any longer by a Redis that says nothing. */
const REDIS_LOOK_MS = 3_000;

export const up: Command = {
  name: "up",
  usage: "",
  summary: "Starts Redis, the server and its workers, and starts again what dies.",
  examples: [
    ["tatara up", "on http://127.0.0.1:8080, data in ./data"],
    ["TATARA_PORT=9000 tatara up --quiet", "another port, nothing on stderr"],
    ["tatara up --dev", "with all that the processes log on the terminal"],
  ],
  options: { dev: { type: "boolean", help: "the operator's logs on the terminal" } },
  positionalsMax: 0,
  run: async (context) => {
    const { printer, now } = context;
    const startedAt = now();
    const config = readSupervisorConfig(context.env);
    checkProcessSettings(context.env, config.dataDir);
    if (!context.isJson) sayOk(printer, "settings", describeSettings(context, config));
    const unknown = unknownInWords(context.env);
    if (!context.isJson) for (const text of unknown) sayWarn(printer, "settings", text);

    const redisTrouble = troubleOfRedis(config);
    await using supervisor = await start(context, config);
    await showReady(context, supervisor, {
      config,
      redisTrouble,
      unknown,
      tookMs: now() - startedAt,
    });
    await untilInterrupted(context.signal);

    printer.progress("stopping: workers, server, redis");
    // Ctrl-C takes everything along; a service manager that restarts us wants the builds to go on.
    await supervisor.stop(isTermination(context.signal) ? "goodbye" : "hand-back");
    return EXIT.ok;
  },
};

function isTermination({ reason }: AbortSignal): boolean {
  return reason instanceof Interrupted && reason.message === "SIGTERM";
}

async function start(context: CommandContext, config: SupervisorConfig): Promise<Supervisor> {
  const { env, signal } = context;
  const { dataDir } = config;
  const onEvent = eventTeller(context, config);
  try {
    return await startSupervisor({ dataDir, env, onEvent, signal });
  } catch (err) {
    if (err instanceof DataDirInUse) throw new CommandError(EXIT.usage, err.message);
    if (err instanceof StartRefused) throw new CommandError(EXIT.usage, err.message);
    if (err instanceof StartFailed)
      throw new CommandError(EXIT.errored, err.message, "tatara doctor");
    throw err;
  }
}

/** Warnings for the person at the terminal, and the supervisor's own lines in its own file. */
function eventTeller({ printer, flag, now }: CommandContext, config: SupervisorConfig) {
  const path = join(config.dataDir, "log", "supervisor.log");
  const logger = createLogger({
    process: "supervisor",
    level: config.logLevel,
    now,
    write: (line) => appendFileSync(path, line),
  });
  return (event: SupervisorEvent): void => {
    if (event.kind === "logged") {
      const line = humanLogLine(event, flag("dev") ? "debug" : "warn");
      if (line !== undefined) printer.progress(...line);
    } else if (event.kind === "ended") {
      const { process, end, pauseMs } = event;
      const how = end.signal ?? `status ${end.code ?? "unknown"}`;
      logger.warn({ child: process, ...end, pauseMs }, "Process ended and is started again");
      printer.progress({ ink: "yellow", text: `${process} ended` }, ` (${how}), starts again`);
    } else if (event.kind === "late") {
      logger.warn({ child: event.process }, "Process is not ready yet");
      printer.progress({ ink: "yellow", text: `${event.process} is not ready` }, ", still trying");
    } else logger.info({ child: event.process }, "Process is ready");
  };
}

async function showReady(
  context: CommandContext,
  supervisor: Supervisor,
  facts: {
    readonly config: SupervisorConfig;
    readonly redisTrouble: Promise<string | undefined>;
    readonly unknown: readonly string[];
    readonly tookMs: number;
  },
): Promise<void> {
  const { config, tookMs } = facts;
  const { printer, env, isJson } = context;
  // Nothing is printed that was not fetched first.
  const answer = await fetch(`${supervisor.url}/healthz`, { signal: context.signal });
  await answer.body?.cancel();
  const url = config.publicUrl ?? supervisor.url;
  const loginUrl = supervisor.loginUrl();
  const trouble = await facts.redisTrouble;
  if (isJson) {
    const ofRedis = trouble === undefined ? [] : [`redis ${trouble}`];
    const warnings = [...facts.unknown, ...ofRedis];
    const { dataDir } = config;
    return printer.json({ ready: true, url, loginUrl, dataDir, tookMs, warnings });
  }

  if (trouble !== undefined) sayWarn(printer, "redis", trouble);
  const [engine, key] = await Promise.all([
    describeEngine(dockerHostOf(env), context.signal),
    readSigningKey(supervisor.url, context.signal),
  ]);
  if (engine.kind === "up") sayOk(printer, "docker", engine.description);
  else sayWarn(printer, "docker", `${engine.reason}   look closer: tatara doctor`);
  if (key !== undefined) {
    const folder = shown(join(config.dataDir, "keys"), context.cwd);
    sayOk(printer, "signing key", `${key.short}   back up the folder ${folder}`);
  }
  sayOk(printer, "workers", "build, publish, report");
  printer.answer(`ready in ${formatMs(tookMs)}`);
  printer.answer("  Open  ", { ink: "bold", text: loginUrl ?? url }, "   one use");
  printer.answer("  Try   npm run demo   push -> test -> RPM -> dnf install, no account");
}

/** An external one that cannot be reached now: nothing waits for it, and somebody should know. */
async function troubleOfRedis({ redisUrl }: SupervisorConfig): Promise<string | undefined> {
  if (redisUrl === undefined) return undefined;
  // Loaded here, because it would double the time that every other command takes to start.
  const { lookAtRedis } = await import("../../shared/redis-look.ts");
  const seen = await lookAtRedis(redisUrl, REDIS_LOOK_MS);
  return seen.kind === "away" ? redisAway(redisUrl, seen.reason) : undefined;
}

function dockerHostOf(env: Env): string {
  return env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
}

function describeSettings({ cwd }: CommandContext, config: SupervisorConfig): string {
  const data = shown(config.dataDir, cwd);
  const redis = config.redisUrl === undefined ? "embedded" : "external";
  return `data ${data}, port ${config.port === 0 ? "any" : config.port}, redis ${redis}`;
}

/** As one would type it. */
function shown(path: string, cwd: string): string {
  const near = relative(cwd, path);
  return near.startsWith("..") ? path : `./${near}`;
}

function sayOk(printer: Printer, name: string, text: string): void {
  printer.answer("  ", { ink: "green", text: "ok" }, `    ${name.padEnd(13)}${text}`);
}

function sayWarn(printer: Printer, name: string, text: string): void {
  printer.answer("  ", { ink: "yellow", text: "warn" }, `  ${name.padEnd(13)}${text}`);
}
