import { execFile } from "node:child_process";
import { access, constants, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv, promisify } from "node:util";
import { ConfigError } from "../../shared/config.ts";
import type { Env } from "../../shared/config.ts";
import { checkProcessSettings, unknownInWords } from "../check-settings.ts";
import { freeGib } from "../engine-api.ts";
import { checksOf } from "./check.ts";
import type { Check } from "./check.ts";

const { ok, warn, fail } = checksOf("Machine");
const NODE_LEAST = 24;
const FREE_GIB_LOW = 5;
/** The server begins to warn at so many times the least. */
const NEAR_FLOOR = 2;
const SETUP = "sh scripts/setup";
const UNIT_SETTINGS = "/etc/tatara";
const VERSION_TIMEOUT_MS = 5_000;
/** Programs that the processes start, each with the argument that makes it say its version. */
const PROGRAMS = ["git", "rpm", "gpg", "redis-server", "setpriv", "flock"] as const;
const run = promisify(execFile);

export function checkNode(version = process.versions.node): Check {
  if (Number(version.split(".")[0]) >= NODE_LEAST) return ok("node", version);
  return fail("node", `${version}, but ${NODE_LEAST} or newer is needed`, SETUP);
}

export function checkSettings(env: Env, dataDir: string): readonly Check[] {
  const unknown = unknownInWords(env).map((text) => warn("settings", text, "correct it in .env"));
  try {
    checkProcessSettings(env, dataDir);
    return [ok("settings", "can be read by every process"), ...unknown];
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    const problems = err.problems.map((text) => fail("settings", text, "correct it in .env"));
    return [...problems, ...unknown];
  }
}

/** The environment files of the units that this user may read: each reaches its own process only. */
export async function checkUnitSettings(folder = UNIT_SETTINGS): Promise<readonly Check[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => name.endsWith(".env")).toSorted();
  const checks = files.map(async (name) => {
    const path = join(folder, name);
    const text = await readFile(path, "utf8").catch(() => "");
    const unknown = unknownInWords(parseEnv(text));
    return unknown.map((each) => warn("settings", each, `correct it in ${path}`));
  });
  return (await Promise.all(checks)).flat();
}

export async function checkDataDir(
  dataDir: string,
  {
    freeDiskMinMib,
    isContainer,
  }: { readonly freeDiskMinMib: number; readonly isContainer: boolean },
): Promise<readonly Check[]> {
  const found = await stat(dataDir).catch(() => undefined);
  if (found === undefined) {
    return [warn("data", `${dataDir} is not there yet; the first start makes it`, "npm start")];
  }
  const mayWrite = await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!mayWrite) {
    return [
      fail("data", `${dataDir} cannot be written by this user`, `sudo chown -R $USER ${dataDir}`),
    ];
  }
  if (!found.isDirectory()) {
    return [fail("data", `${dataDir} is a file`, "set TATARA_DATA_DIR to a folder")];
  }
  // In a container nobody else is in the group, except those that are meant to be.
  const isOpen = (found.mode & (isContainer ? 0o007 : 0o077)) !== 0;
  const mode = (found.mode & 0o777).toString(8);
  return [
    isOpen
      ? warn("data", `${dataDir} is open to other users (mode ${mode})`, `chmod 700 ${dataDir}`)
      : ok("data", `${dataDir}, mode ${mode}`),
    await checkDisk(dataDir, freeDiskMinMib),
  ];
}

async function checkDisk(dataDir: string, freeDiskMinMib: number): Promise<Check> {
  const free = await freeGib(dataDir);
  const leastGib = freeDiskMinMib / 1_024;
  if (free === undefined) return warn("disk", "the file system does not say how much is free");
  const evidence = `${free} GB free`;
  if (free < leastGib) {
    const least = `TATARA_FREE_DISK_MIN_MIB is ${freeDiskMinMib}`;
    return fail("disk", `${evidence}, ${least}: pushes are refused`, `du -xsh ${dataDir}/*`);
  }
  return free < Math.max(FREE_GIB_LOW, leastGib * NEAR_FLOOR)
    ? warn("disk", evidence, `du -xsh ${dataDir}/*`)
    : ok("disk", evidence);
}

export async function checkPrograms(env: Env): Promise<readonly Check[]> {
  const found = await Promise.all(
    PROGRAMS.map(async (program) => ({ program, version: await versionOf(program, env) })),
  );
  const there = found.flatMap(({ program, version }) => (version ? [`${program} ${version}`] : []));
  const missing = found.filter(({ version }) => version === undefined);
  return [
    ok("programs", there.join(", ")),
    ...missing.map(({ program }) => fail("programs", `${program} is not installed`, SETUP)),
  ];
}

/** Undefined when the program is not there. */
async function versionOf(program: string, env: Env): Promise<string | undefined> {
  try {
    const options = { timeout: VERSION_TIMEOUT_MS, env: { PATH: env["PATH"] ?? "", LC_ALL: "C" } };
    const { stdout } = await run(program, ["--version"], options);
    return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? "of unknown version";
  } catch {
    return undefined;
  }
}
