import { existsSync } from "node:fs";
import { readClientConfig } from "../../shared/config.ts";
import type { Env } from "../../shared/config.ts";
import { connect } from "../api-client.ts";
import type { Command, CommandContext } from "../command.ts";
import { GROUPS } from "../doctor/check.ts";
import type { Check } from "../doctor/check.ts";
import {
  checkDataDir,
  checkNode,
  checkPrograms,
  checkSettings,
  checkUnitSettings,
} from "../doctor/machine.ts";
import { checkRedis, checkServer } from "../doctor/server.ts";
import { checkEngine, checkSeparation } from "../doctor/workers.ts";
import { engineApi } from "../engine-api.ts";
import { EXIT } from "../exit-codes.ts";
import type { Ink, Line, Printer } from "../print.ts";

const NAME_COLUMNS = 14;
const ENGINE_TIMEOUT_MS = 5_000;
const ENGINE_SOCKET = "/var/run/docker.sock";
const FREE_DISK_MIN_MIB = 1_024;
const INK = { ok: "green", warn: "yellow", FAIL: "red" } as const satisfies Record<
  Check["verdict"],
  Ink
>;

export const doctor: Command = {
  name: "doctor",
  usage: "",
  summary: "Looks at everything that must be right; each trouble comes with what mends it.",
  examples: [
    ["tatara doctor", "exit status 1 if something is broken"],
    ["tatara doctor --json", "for monitoring, or to paste into an issue"],
    ["tatara doctor --deep", "reads everything that was ever made; running or stopped"],
  ],
  options: {
    deep: {
      type: "boolean",
      help: "read database, Redis, Docker, forge and yum tree: was any promise broken?",
    },
  },
  positionalsMax: 0,
  run: async (context) => {
    if (context.flag("deep")) {
      const { examineDeep } = await import("../doctor/deep.ts");
      return await examineDeep(context);
    }
    const checks = await examine(context);
    const failures = checks.filter(({ verdict }) => verdict === "FAIL").length;
    if (context.isJson) context.printer.json({ healthy: failures === 0, checks });
    else show(context.printer, checks);
    return failures === 0 ? EXIT.ok : EXIT.failed;
  },
};

/** What is nearest first. Nothing here changes anything, and no secret is ever in the evidence. */
async function examine({ env, signal }: CommandContext): Promise<readonly Check[]> {
  const { dataDir } = readClientConfig(env);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ENGINE_TIMEOUT_MS)]);
  const openEngine = () => engineApi(env["DOCKER_HOST"] ?? `unix://${ENGINE_SOCKET}`, limit);
  const [unitSettings, data, programs, engine, separation, redis, server] = await Promise.all([
    checkUnitSettings(),
    checkDataDir(dataDir, { freeDiskMinMib: freeDiskMinMib(env), isContainer: isInContainer() }),
    checkPrograms(env),
    checkEngine(openEngine, {
      isElsewhere:
        isInContainer() && env["DOCKER_HOST"] === undefined && !existsSync(ENGINE_SOCKET),
      baseImage: env["TATARA_BASE_IMAGE"] ?? "tatara/base",
      targets: env["TATARA_TARGETS"] ?? "",
    }),
    checkSeparation(dataDir),
    checkRedis(env, dataDir),
    checkServer(() => connect(env, signal), { env, dataDir, signal }),
  ]);
  const machine = [
    checkNode(),
    ...checkSettings(env, dataDir),
    ...unitSettings,
    ...data,
    ...programs,
  ];
  return [...machine, ...engine, ...separation, ...redis, ...server];
}

/** Each service of compose has its own part of Tatara only, and is judged by that. */
function isInContainer(): boolean {
  return existsSync("/.dockerenv") || existsSync("/run/.containerenv");
}

/** What is no number is said among the settings. */
function freeDiskMinMib(env: Env): number {
  const given = Number(env["TATARA_FREE_DISK_MIN_MIB"]?.trim() || Number.NaN);
  return Number.isNaN(given) ? FREE_DISK_MIN_MIB : given;
}

function show(printer: Printer, checks: readonly Check[]): void {
  for (const group of GROUPS) {
    const own = checks.filter((check) => check.group === group);
    if (own.length === 0) continue;
    printer.answer({ ink: "bold", text: group });
    for (const check of own) for (const line of linesOf(check)) printer.answer(...line);
  }
  const count = (verdict: Check["verdict"], word: string): string => {
    const found = checks.filter((check) => check.verdict === verdict).length;
    return `${found} ${word}${found === 1 ? "" : "s"}`;
  };
  printer.answer(`${count("FAIL", "failure")}, ${count("warn", "warning")}`);
}

function linesOf({ name, verdict, evidence, fix }: Check): readonly Line[] {
  const indent = " ".repeat(NAME_COLUMNS + 8);
  return [
    ["  ", { ink: INK[verdict], text: verdict.padEnd(6) }, name.padEnd(NAME_COLUMNS), evidence],
    ...(fix === undefined ? [] : [[`${indent}fix: ${fix}`]]),
  ];
}
