import { DEFAULT_RESOURCES } from "../domain/pipeline.ts";
import type { CacheRule, KeepRule, Only, Resources, Runs, WorkDir } from "../domain/pipeline.ts";
import { PIPELINE_COMMAND_BYTES_MAX } from "../domain/pipeline-keys.ts";
import { DURATION_UNITS } from "../domain/pipeline-types.ts";
import { RESERVED_ENV } from "../domain/reserved-env.ts";
import {
  mapOf,
  numberOf,
  textEntries,
  textOf,
  textsIn,
  textsOf,
  valueOf,
} from "./pipeline-checked.ts";
import type { Checked, CheckedMap } from "./pipeline-checked.ts";
import { readCachePaths, readFilePatterns, readWorkDir } from "./pipeline-paths.ts";
import { checkTemplates, refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";
import { letsThrough, readOnly } from "./pipeline-rules.ts";
import { readSecrets } from "./pipeline-secrets.ts";
import type { SecretScope } from "./pipeline-secrets.ts";
import { variableName } from "./pipeline-templates.ts";

/** What steps take from the project, and projects from the top level. */
export interface Defaults {
  readonly env: Readonly<Record<string, string>>;
  /** As it is written: each project has folders of its own. */
  readonly cache: Checked | undefined;
  readonly timeoutMs: number;
  readonly resources: Resources;
  readonly dir: CheckedMap | undefined;
}

export const NO_DEFAULTS: Defaults = {
  env: {},
  cache: undefined,
  timeoutMs: 60 * DURATION_UNITS.m,
  resources: DEFAULT_RESOURCES,
  dir: undefined,
};

const IDLE_TIMEOUT_MS = 30 * DURATION_UNITS.m;
const KEEP_MS = 30 * DURATION_UNITS.d;

/** What the map says, and what `above` says where it is silent. */
export function readDefaults(
  map: CheckedMap,
  folder: string,
  above: Defaults,
  reading: Reading,
): Defaults {
  const scope: Scope = { folder, variables: [] };
  // Steps read these again, each in its own place; here they are checked, should no step do so.
  readCache(valueOf(map, "cache"), { folder, variables: undefined }, reading);
  readWorkDir(textOf(map, "dir"), scope, reading);
  return {
    env: { ...above.env, ...readEnv(map, scope, reading) },
    cache: valueOf(map, "cache") ?? above.cache,
    timeoutMs: numberOf(map, "timeout") ?? above.timeoutMs,
    resources: { ...above.resources, ...readResources(mapOf(map, "resources")) },
    dir: textOf(map, "dir") === undefined ? above.dir : map,
  };
}

/** When a step or package runs, and what its keys mean. */
export interface StepScope {
  readonly only: Only | null;
  readonly scope: SecretScope;
}

export function readStepScope(
  map: CheckedMap,
  { folder, when, only: above }: ProjectScope,
  variables: Scope["variables"],
  reading: Reading,
): StepScope {
  const plain = { folder, variables };
  const only = readOnly(mapOf(map, "only"), plain, reading);
  return { only, scope: { ...plain, runsOnPullRequests: runsOnPullRequests([when, above, only]) } };
}

/** Where a project lies and when it runs. */
export interface ProjectScope {
  readonly folder: string;
  readonly when: Only;
  readonly only: Only | null;
}

/** What a step or a package says of its own run. */
export function readRuns(
  map: CheckedMap,
  defaults: Defaults,
  { only, scope }: StepScope,
  reading: Reading,
): Runs {
  const network = textOf(map, "network")?.value;
  return {
    env: { ...defaults.env, ...readEnv(map, scope, reading) },
    secrets: readSecrets(valueOf(map, "secrets"), scope, reading),
    cache: readCache(valueOf(map, "cache") ?? defaults.cache, scope, reading),
    only,
    network: network === "mirrors" || network === "none" ? network : "internet",
    timeoutMs: numberOf(map, "timeout") ?? defaults.timeoutMs,
    idleTimeoutMs: numberOf(map, "idle-timeout") ?? IDLE_TIMEOUT_MS,
    resources: { ...defaults.resources, ...readResources(mapOf(map, "resources")) },
  };
}

export function runsOnPullRequests(rules: readonly (Only | null)[]): boolean {
  return rules.every((rule) => letsThrough(rule, "pullRequests"));
}

export function readEnv(
  map: CheckedMap,
  scope: Scope,
  reading: Reading,
  isReservedHere = true,
): Readonly<Record<string, string>> {
  const entries = textEntries(mapOf(map, "env"));
  const ofMatrix = new Set(scope.variables?.map(variableName));
  return Object.fromEntries(
    entries.map(({ key, keyAt: at, value }) => {
      checkTemplates(value, scope, reading);
      const isOfMatrix = ofMatrix.has(key);
      if (isReservedHere && (RESERVED_ENV.has(key) || isOfMatrix)) {
        const message = `${key} is set by ${isOfMatrix ? "the matrix" : "Tatara"}`;
        refuse(reading, at, { code: "ENV_RESERVED", message, hint: "choose another name" });
      }
      return [key, value.value];
    }),
  );
}

function readResources(map: CheckedMap | undefined): Partial<Resources> {
  if (map === undefined) return {};
  const said = {
    cpus: numberOf(map, "cpus"),
    memoryBytes: numberOf(map, "memory"),
    pids: numberOf(map, "pids"),
    diskBytes: numberOf(map, "disk"),
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

/** What the project says of caches is the same for all of its steps that have the same matrix. */
function readCache(value: Checked | undefined, scope: Scope, reading: Reading): CacheRule | null {
  const key = `${scope.folder}\n${scope.variables?.join("\n") ?? ""}`;
  const known = value && reading.cacheRules.get(value)?.get(key);
  if (value === undefined || known !== undefined) return known ?? null;
  const rule = readCacheRule(value, scope, reading);
  const rules = reading.cacheRules.get(value) ?? new Map<string, CacheRule>();
  if (rule !== null) reading.cacheRules.set(value, rules.set(key, rule));
  return rule;
}

function readCacheRule(value: Checked, scope: Scope, reading: Reading): CacheRule | null {
  if (value.kind !== "map") {
    const texts = textsIn(value);
    return texts === undefined
      ? null
      : { paths: readCachePaths(texts, scope, reading), keyFiles: null };
  }
  const keyFiles = textsOf(value, "key-files");
  return {
    paths: readCachePaths(textsOf(value, "paths") ?? [], scope, reading),
    keyFiles: keyFiles === undefined ? null : readFilePatterns(keyFiles, scope, reading),
  };
}

export function readKeep(
  value: Checked | undefined,
  scope: Scope,
  reading: Reading,
): KeepRule | null {
  if (value === undefined) return null;
  const map = value.kind === "map" ? value : undefined;
  const files = map === undefined ? textsIn(value) : textsOf(map, "files");
  const after = map && textOf(map, "after")?.value;
  return {
    files: readFilePatterns(files ?? [], scope, reading),
    expiresMs: (map && numberOf(map, "expires")) ?? KEEP_MS,
    after: after === "failed" || after === "always" ? after : "passed",
  };
}

/** The step's own working directory, else the project's, else the project's folder. */
export function readDir(
  map: CheckedMap,
  defaults: Defaults,
  scope: Scope,
  reading: Reading,
): WorkDir {
  const text = textOf(map, "dir") ?? (defaults.dir && textOf(defaults.dir, "dir"));
  return readWorkDir(text, scope, reading) ?? { kind: "path", path: scope.folder };
}

/** Lines run in one shell. Null where there is no command. */
export function readCommands(map: CheckedMap, key: string, reading: Reading): string | null {
  const texts = textsOf(map, key);
  const [first] = texts ?? [];
  if (texts === undefined || first === undefined) return null;
  const command = texts.map(({ value }) => value).join("\n");
  if (new TextEncoder().encode(command).length > PIPELINE_COMMAND_BYTES_MAX) {
    refuse(reading, first.at, {
      code: "LIMIT_EXCEEDED",
      message: `"${key}" is longer than the limit, ${PIPELINE_COMMAND_BYTES_MAX / 1024} KiB`,
      hint: "move it into a script of the repository",
    });
  }
  return command;
}
