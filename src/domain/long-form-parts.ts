import type { Only, PipelineImage, Runs } from "./pipeline.ts";
import { formatDuration, formatSize } from "./pipeline-types.ts";

/** A part of a pipeline file: texts, numbers, switches, lists, and maps as objects or as `Map`. */
export type LongForm = Readonly<Record<string, unknown>>;

/** Without what says nothing: null, empty lists and empty maps. */
export function filled(map: LongForm): LongForm {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => !isNothing(value)));
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (value instanceof Map) return value.size === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** A path from the root as it is written in a folder. `mark` is put before those inside of it. */
export function at(folder: string, path: string, mark = ""): string {
  if (path === folder) return ".";
  const isInside = folder === "" || path.startsWith(`${folder}/`);
  if (!isInside) return `${"../".repeat(folder.split("/").length)}${path}`;
  const inside = folder === "" ? path : path.slice(folder.length + 1);
  // Such a beginning would mean something else.
  return /^[~!]/.test(inside) ? `./${inside}` : mark + inside;
}

/** The same of patterns: a leading `!` stays in front. */
export function patternsIn(patterns: readonly string[], folder: string): readonly string[] {
  return patterns.map((pattern) =>
    pattern.startsWith("!") ? `!${at(folder, pattern.slice(1))}` : at(folder, pattern),
  );
}

/** Null for the server's base image, which is what is left when a file names none. */
export function imageMap(image: PipelineImage | null, folder: string): LongForm | null {
  if (image === null || image.kind === "base") return null;
  if (image.kind === "named") return { from: image.name, pull: image.pull };
  const { path, context, stage, args, secrets, timeoutMs } = image;
  return filled({
    build: at(folder, path, "./"),
    context: at(folder, context),
    stage,
    args,
    secrets,
    timeout: formatDuration(timeoutMs),
  });
}

/** What `when` and `only` say of kinds of builds; schedules differ. */
export function ofRule(rule: Omit<Only, "schedule">, folder: string): LongForm {
  const { branches, tags, pullRequests, paths } = rule;
  return filled({
    branches,
    tags,
    "pull-requests": pullRequests,
    paths: paths === null ? null : patternsIn(paths, folder),
  });
}

export function onlyMap(only: Only | null, folder: string): LongForm | null {
  return only && filled({ ...ofRule(only, folder), schedule: only.schedule });
}

/** What tests and packages share, but for `network`, which means two things in a package. */
export function runKeys(step: Runs, folder: string): LongForm {
  const { env, secrets, cache, only, timeoutMs, resources } = step;
  const { cpus, memoryBytes, pids, diskBytes } = resources;
  const isByFile = secrets.every((secret) => secret.as === "file");
  const listed = secrets.map(({ name }) => name);
  const mapped = Object.fromEntries(secrets.map(({ name, as }) => [name, as]));
  return filled({
    env,
    secrets: isByFile ? listed : mapped,
    cache: cache && {
      paths: cache.paths.map((path) => (path.startsWith("~/") ? path : at(folder, path))),
      ...(cache.keyFiles && { "key-files": patternsIn(cache.keyFiles, folder) }),
    },
    only: onlyMap(only, folder),
    timeout: formatDuration(timeoutMs),
    resources: { cpus, memory: formatSize(memoryBytes), pids, disk: formatSize(diskBytes) },
  });
}

/** Do two parts of a pipeline say the same? They are plain data, made in one order. */
export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
