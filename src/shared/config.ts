import { resolve } from "node:path";
import { isRepoPattern } from "../domain/repo-patterns.ts";
import type { LogLevel } from "./logger.ts";
import { settingReader } from "./setting-reader.ts";
import type { Env, SettingReader } from "./setting-reader.ts";

export { ConfigError } from "./setting-reader.ts";
export type { Env, TargetImage, YumSource } from "./setting-reader.ts";

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
    internalHosts: internalHosts(read),
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
    internalHosts: internalHosts(read),
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
    internalHosts: internalHosts(read),
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

/** Hosts of the operator's own network that commits and redirects may lead to. */
function internalHosts(read: SettingReader): readonly string[] {
  const isHost = (item: string): boolean =>
    /^[^\s/@?#]+$/.test(item) && URL.canParse(`http://${item}`);
  return read.listOf("TATARA_INTERNAL_HOSTS", [], isHost, "a host such as registry.internal:5000");
}

function worker(read: SettingReader) {
  return {
    serverUrl: read.url("TATARA_SERVER_URL", "http://127.0.0.1:8080"),
    workerToken: read.secret("TATARA_WORKER_TOKEN"),
    redisUrl: read.redisAddress("TATARA_REDIS_URL"),
    workerName: read.matching("TATARA_WORKER_NAME", "", /^[a-z0-9-]{0,40}$/, "a-z, 0-9 and -"),
  };
}
