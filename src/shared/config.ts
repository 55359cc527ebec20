import { resolve } from "node:path";
import { isTargetName } from "../domain/channel.ts";
import { isRepoPattern } from "../domain/repo-patterns.ts";
import type { LogLevel } from "./logger.ts";
import { redisAddressProblem } from "./redis-address.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** All that is wrong with the settings, at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** The process's environment: the only place that reads it. */
export function processEnv(): Env {
  // oxlint-disable-next-line node/no-process-env -- this is the door
  return process.env;
}

const DEFAULT_TARGET = "debian12.x86_64";

export type ServerConfig = ReturnType<typeof readServerConfig>;
export type BuildWorkerConfig = ReturnType<typeof readBuildWorkerConfig>;
export type PublishWorkerConfig = ReturnType<typeof readPublishWorkerConfig>;
export type ReportWorkerConfig = ReturnType<typeof readReportWorkerConfig>;
export type SupervisorConfig = ReturnType<typeof readSupervisorConfig>;
export type LocalRunConfig = ReturnType<typeof readLocalRunConfig>;
export type ClientConfig = ReturnType<typeof readClientConfig>;

/** Reads every setting of the server and reports all that is wrong at once. */
export function readServerConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...common(read),
    host: read.text("TATARA_HOST", "127.0.0.1"),
    port: read.integer("TATARA_PORT", 8_080, { min: 0, max: 65_535 }),
    publicUrl: read.optionalUrl("TATARA_PUBLIC_URL"),
    redisUrl: read.redisAddress("TATARA_REDIS_URL"),
    databaseUrl: read.notYet("TATARA_DATABASE_URL", "this version has the embedded database only"),
    adminToken: read.optionalSecret("TATARA_ADMIN_TOKEN"),
    anonymousRead: read.flag("TATARA_ANONYMOUS_READ", false),
    buildToken: read.secret("TATARA_BUILD_TOKEN"),
    publishToken: read.secret("TATARA_PUBLISH_TOKEN"),
    reportToken: read.secret("TATARA_REPORT_TOKEN"),
    githubWebhookSecrets: read.list("TATARA_GITHUB_WEBHOOK_SECRET", []),
    githubUrl: read.url("TATARA_GITHUB_URL", "https://github.com"),
    githubReadToken: read.optionalSecret("TATARA_GITHUB_READ_TOKEN"),
    githubApiUrl: read.url("TATARA_GITHUB_API_URL", "https://api.github.com"),
    githubHookToken: read.optionalSecret("TATARA_GITHUB_HOOK_TOKEN"),
    sweepMs: read.integer("TATARA_SWEEP_SECONDS", 600, { min: 0, max: 86_400 }) * 1_000,
    pollMs: read.integer("TATARA_POLL_SECONDS", 0, { min: 0, max: 86_400 }) * 1_000,
    repos: read.listOf("TATARA_REPOS", ["*"], isRepoPattern, "a pattern such as * or acme/*"),
    defaultTarget: read.text("TATARA_DEFAULT_TARGET", DEFAULT_TARGET),
    baseRepositories: read.baseRepositories("TATARA_BASE_REPOSITORIES"),
    targets: read.targets("TATARA_TARGETS"),
    yumSources: read.yumSources("TATARA_YUM_SOURCES"),
    /** Below this nothing is accepted and no job begins. */
    freeDiskMinMib: read.integer("TATARA_FREE_DISK_MIN_MIB", 1_024, { min: 0, max: 1 << 24 }),
    /** 0: for ever. */
    keepBuildsDays: read.integer("TATARA_KEEP_BUILDS_DAYS", 365, { min: 7, max: 36_500, or: 0 }),
    waitingBuildsMax: read.integer("TATARA_WAITING_BUILDS_MAX", 1_000, { min: 1, max: 100_000 }),
    failpoints: read.text("TATARA_FAILPOINTS", ""),
    mayRedisEvict: read.flag("TATARA_REDIS_MAY_EVICT", false),
  };
  return read.finish(config);
}

export function readBuildWorkerConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...common(read),
    ...worker(read),
    ...engine(read),
    slots: read.integer("TATARA_BUILD_SLOTS", 2, { min: 1, max: 64 }),
    /** Images, dependency caches and mirrors together, for later builds. */
    storedBytesMax: read.integer("TATARA_STORED_MIB", 51_200, { min: 64, max: 1 << 24 }) * 2 ** 20,
    /** With less than this free nothing is claimed; with less than a third, jobs are stopped. */
    diskFloorBytes:
      read.integer("TATARA_DISK_FLOOR_MIB", 3_072, { min: 0, max: 1 << 24 }) * 2 ** 20,
    /** What BuildKit may keep on an engine that is Tatara's alone; 0: it is left as it is. */
    buildKitCacheBytes:
      read.integer("TATARA_BUILDKIT_CACHE_MIB", 0, { min: 0, max: 1 << 24 }) * 2 ** 20,
    /** Forges over plain http (tests, an internal forge); the own remote is always allowed. */
    httpForges: read.list("TATARA_HTTP_FORGES", []),
  };
  return read.finish(config);
}

/** `tatara run`: the settings of a build worker that is nobody's. */
export function readLocalRunConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...engine(read),
    defaultTarget: read.text("TATARA_DEFAULT_TARGET", DEFAULT_TARGET),
    logLevel: read.choice<LogLevel>("TATARA_LOG_LEVEL", ["debug", "info", "warn", "error"], "warn"),
  };
  return read.finish(config);
}

export function readPublishWorkerConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...common(read),
    ...worker(read),
    baseRepositories: read.baseRepositories("TATARA_BASE_REPOSITORIES"),
  };
  return read.finish(config);
}

export function readReportWorkerConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...common(read),
    ...worker(read),
    githubApiUrl: read.url("TATARA_GITHUB_API_URL", "https://api.github.com"),
    githubStatusToken: read.optionalSecret("TATARA_GITHUB_STATUS_TOKEN"),
  };
  return read.finish(config);
}

/** Only what the supervisor itself decides; it hands each child its own part. */
export function readSupervisorConfig(env: Env) {
  const read = settingReader(env);
  const config = {
    ...common(read),
    host: read.text("TATARA_HOST", "127.0.0.1"),
    port: read.integer("TATARA_PORT", 8_080, { min: 0, max: 65_535 }),
    publicUrl: read.optionalUrl("TATARA_PUBLIC_URL"),
    redisUrl: read.optionalRedisAddress("TATARA_REDIS_URL"),
  };
  return read.finish(config);
}

/** A target and the addresses of the repositories that its hosts have anyway. */
export interface TargetRepositories {
  readonly target: string;
  readonly urls: readonly string[];
}

/** The command line's: which server, and who asks. */
export function readClientConfig(env: Env) {
  const read = settingReader(env);
  const own = ownServerUrl(
    read.text("TATARA_HOST", "127.0.0.1"),
    read.integer("TATARA_PORT", 8_080, { min: 0, max: 65_535 }),
  );
  const config = {
    url: read.url("TATARA_URL", own),
    token: read.optional("TATARA_TOKEN"),
    dataDir: resolve(read.text("TATARA_DATA_DIR", "./data")),
  };
  return read.finish(config);
}

/** Where the server of these settings listens, as this machine reaches it. */
function ownServerUrl(host: string, port: number): string {
  const near = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${near.includes(":") ? `[${near}]` : near}:${port === 0 ? 8_080 : port}`;
}

function common(read: SettingReader) {
  return {
    dataDir: resolve(read.text("TATARA_DATA_DIR", "./data")),
    logLevel: read.choice<LogLevel>("TATARA_LOG_LEVEL", ["debug", "info", "warn", "error"], "info"),
  };
}

/** Where steps run, and the most that one may have. */
function engine(read: SettingReader) {
  return {
    dockerHost: read.text("DOCKER_HOST", "unix:///var/run/docker.sock"),
    baseImage: read.text("TATARA_BASE_IMAGE", "tatara/base"),
    targets: read.targets("TATARA_TARGETS"),
    yumSources: read.yumSources("TATARA_YUM_SOURCES"),
    // The most that a step may ask for in its file, which has defaults of its own.
    stepTimeoutMs: read.seconds("TATARA_STEP_TIMEOUT_SECONDS", 21_600),
    idleTimeoutMs: read.seconds("TATARA_IDLE_TIMEOUT_SECONDS", 21_600),
    stepMemoryBytes:
      read.integer("TATARA_STEP_MEMORY_MIB", 4_096, { min: 16, max: 1 << 20 }) * 2 ** 20,
    stepCpus: read.integer("TATARA_STEP_CPUS", 2, { min: 1, max: 256 }),
    stepPids: read.integer("TATARA_STEP_PIDS", 512, { min: 16, max: 65_536 }),
    stepDiskBytes:
      read.integer("TATARA_STEP_DISK_MIB", 20_480, { min: 16, max: 1 << 24 }) * 2 ** 20,
    /** A proxy in a container of the engine, for steps with `network: mirrors`. */
    mirrorProxy: read.optionalUrl("TATARA_MIRROR_PROXY"),
  };
}

function worker(read: SettingReader) {
  return {
    serverUrl: read.url("TATARA_SERVER_URL", "http://127.0.0.1:8080"),
    workerToken: read.secret("TATARA_WORKER_TOKEN"),
    redisUrl: read.redisAddress("TATARA_REDIS_URL"),
    workerName: read.matching("TATARA_WORKER_NAME", "", /^[a-z0-9-]{0,40}$/, "a-z, 0-9 and -"),
  };
}

/** `el9.x86_64=https://… https://…; el9.aarch64=file:///…` */
function readTargetRepositories(
  name: string,
  text: string,
  problems: string[],
): readonly TargetRepositories[] {
  const entries = text.split(";").map((entry) => entry.trim());
  return entries
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, target = "", addresses = ""] = /^([^=\s]*)\s*=(.*)$/s.exec(entry) ?? [];
      const urls = addresses.split(/\s+/).filter((address) => address !== "");
      if (!isTargetName(target) || urls.length === 0)
        problems.push(
          `${name}: ${entry}: target=address is expected, such as el9.x86_64=https://…`,
        );
      for (const address of urls)
        if (!/^(?:https?|file):\/\//.test(address) || !URL.canParse(address))
          problems.push(`${name}: ${address}: an address with https:, http: or file: is expected`);
        else if (new URL(address).username !== "")
          problems.push(
            `${name}: ${target} has an address with a user; it would stand in warnings`,
          );
      return { target, urls };
    });
}

/** A target that packages can be built for, and the image with its rpmbuild. */
export interface TargetImage {
  readonly target: string;
  readonly image: string;
}

/** `el9.x86_64=registry.example.com/el9-builder:9; debian12.x86_64=tatara/base` */
function readTargets(name: string, text: string, problems: string[]): readonly TargetImage[] {
  return entriesOf(text).map(([target, image]) => {
    if (!isTargetName(target) || !/^\S+$/.test(image)) {
      problems.push(`${name}: ${target}=${image}: target=image is expected, such as el9.x86_64=…`);
    }
    return { target, image };
  });
}

/** A yum repository that `repos:` may name beside channels. */
export interface YumSource {
  readonly name: string;
  readonly url: string;
}

/** `epel=https://…; crb=https://…`; `$basearch` and `$releasever` are dnf's. */
function readYumSources(name: string, text: string, problems: string[]): readonly YumSource[] {
  return entriesOf(text).map(([source, url]) => {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(source) || !/^(?:https?|file):\/\/\S+$/.test(url)) {
      problems.push(`${name}: ${source}=${url}: name=address is expected, such as epel=https://…`);
    }
    return { name: source, url };
  });
}

function entriesOf(text: string): readonly (readonly [string, string])[] {
  return text
    .split(";")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, key = entry, value = ""] = /^([^=]*?)\s*=\s*(.*)$/s.exec(entry) ?? [];
      return [key, value] as const;
    });
}

function readRedisAddress(name: string, text: string, problems: string[]): string {
  const problem = text === "" ? undefined : redisAddressProblem(name, text);
  if (problem !== undefined) problems.push(problem);
  return text;
}

interface IntegerRange {
  readonly min: number;
  readonly max: number;
  /** One number beside the range, with a meaning of its own. */
  readonly or?: number;
}

function textOf({ min, max, or }: IntegerRange): string {
  return `from ${min} to ${max}${or === undefined ? "" : `, or ${or},`}`;
}

type SettingReader = ReturnType<typeof settingReader>;

function settingReader(env: Env) {
  const problems: string[] = [];
  const value = (name: string): string | undefined => env[name]?.trim() || undefined;

  const integer = (name: string, fallback: number, range: IntegerRange): number => {
    const text = value(name);
    if (text === undefined) return fallback;
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number === range.or || (number >= range.min && number <= range.max)) return number;
    problems.push(`${name}=${text}: a whole number ${textOf(range)} is expected`);
    return fallback;
  };

  const url = (name: string, fallback: string): string => {
    const text = (value(name) ?? fallback).replace(/\/+$/, "");
    if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
    problems.push(`${name}=${text}: an address such as https://ci.example.com is expected`);
    return fallback;
  };

  const list = (name: string, fallback: readonly string[]): readonly string[] => {
    const items = value(name)
      ?.split(",")
      .map((item) => item.trim());
    return items?.filter((item) => item !== "") ?? fallback;
  };

  const secret = (name: string): string => {
    const text = value(name);
    if (text === undefined) problems.push(`${name} is not set; it has no default`);
    else if (text.length < 16) problems.push(`${name} is shorter than 16 characters`);
    return text ?? "";
  };

  return {
    integer,
    url,
    secret,
    baseRepositories: (name: string) => readTargetRepositories(name, value(name) ?? "", problems),
    targets: (name: string) => readTargets(name, value(name) ?? "", problems),
    yumSources: (name: string) => readYumSources(name, value(name) ?? "", problems),
    text: (name: string, fallback: string) => value(name) ?? fallback,
    optional: (name: string) => value(name),
    optionalUrl: (name: string) => (value(name) === undefined ? undefined : url(name, "http://x")),
    optionalSecret: (name: string) => (value(name) === undefined ? undefined : secret(name)),
    redisAddress: (name: string): string => {
      if (value(name) === undefined) problems.push(`${name} is not set`);
      return readRedisAddress(name, value(name) ?? "", problems);
    },
    optionalRedisAddress: (name: string): string | undefined =>
      readRedisAddress(name, value(name) ?? "", problems) || undefined,
    list,
    listOf: (
      name: string,
      fallback: readonly string[],
      isGood: (item: string) => boolean,
      expected: string,
    ): readonly string[] => {
      const items = list(name, fallback);
      const bad = items.filter((item) => !isGood(item));
      if (bad.length > 0) problems.push(`${name}: ${bad.join(", ")}: ${expected} is expected`);
      return items;
    },
    matching: (name: string, fallback: string, pattern: RegExp, expected: string): string => {
      const text = value(name) ?? fallback;
      if (!pattern.test(text))
        problems.push(`${name}=${text}: at most 40 of ${expected} are expected`);
      return text;
    },
    seconds: (name: string, fallback: number) =>
      integer(name, fallback, { min: 1, max: 86_400 }) * 1_000,
    /** A setting that is known and cannot be honoured: better refused than ignored. */
    notYet: (name: string, why: string): undefined => {
      if (value(name) !== undefined) problems.push(`${name} cannot be set: ${why}`);
    },
    flag: (name: string, fallback: boolean): boolean => {
      const text = value(name);
      if (text === undefined) return fallback;
      if (text === "true" || text === "false") return text === "true";
      problems.push(`${name}=${text}: true or false is expected`);
      return fallback;
    },
    choice: <T extends string>(name: string, choices: readonly T[], fallback: T): T => {
      const text = value(name);
      if (text === undefined) return fallback;
      const found = choices.find((choice) => choice === text);
      if (found === undefined)
        problems.push(`${name}=${text}: one of ${choices.join(", ")} is expected`);
      return found ?? fallback;
    },
    finish: <T extends object>(config: T): Readonly<T> => {
      if (problems.length > 0) throw new ConfigError(problems);
      return Object.freeze(config);
    },
  };
}
