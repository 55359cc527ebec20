import { defaultImageIn } from "../domain/pipeline-guess.ts";
import type { PipelineImage } from "../domain/pipeline.ts";
import { DURATION_UNITS } from "../domain/pipeline-types.ts";
import { dockerfileStages } from "../domain/dockerfile-stages.ts";
import { baseName } from "../domain/repo-path.ts";
import { mapOf, numberOf, textEntries, textOf, textsOf } from "./pipeline-checked.ts";
import type { Checked, CheckedMap, CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { outside, pathFrom, pathTo, readFolder } from "./pipeline-paths.ts";
import { checkTemplates, refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";
import { checkSecret } from "./pipeline-secrets.ts";
import type { SecretScope } from "./pipeline-secrets.ts";
import { hasTemplate, withoutTemplates } from "./pipeline-templates.ts";

type BuiltImage = PipelineImage & { readonly kind: "dockerfile" };
const BUILD_TIMEOUT_MS = 60 * DURATION_UNITS.m;

/** The image that a key names; undefined when it was refused or is not in the file. */
export function readImage(
  value: Checked | undefined,
  scope: SecretScope,
  reading: Reading,
): PipelineImage | undefined {
  if (value?.kind === "text") {
    checkTemplates(value, scope, reading);
    return isPath(value.value)
      ? readDockerfile(value, scope, reading)
      : readImageName(value, scope, reading);
  }
  return value?.kind === "map" ? readImageMap(value, scope, reading) : undefined;
}

/** The image of a project that names none. */
export function defaultImage(folder: string, reading: Reading): PipelineImage {
  return defaultImageIn(reading.tree, folder);
}

function isPath(written: string): boolean {
  return /^\.{0,2}\//.test(written);
}

function readImageMap(
  map: CheckedMap,
  scope: SecretScope,
  reading: Reading,
): PipelineImage | undefined {
  const from = textOf(map, "from");
  if (from !== undefined) {
    checkTemplates(from, scope, reading);
    if (isPath(from.value)) return refuse(reading, from.at, buildWanted(from.value));
    const named = readImageName(from, scope, reading);
    if (named?.kind !== "named") return undefined;
    return { ...named, pull: textOf(map, "pull")?.value === "always" ? "always" : "missing" };
  }
  const build = textOf(map, "build");
  if (build === undefined) return undefined;
  checkTemplates(build, scope, reading);
  if (!isPath(build.value)) return refuse(reading, build.at, markMissing(build.value));
  const image = readDockerfile(build, scope, reading);
  return image === undefined ? undefined : { ...image, ...readBuild(map, image, scope, reading) };
}

function readBuild(
  map: CheckedMap,
  image: BuiltImage,
  scope: SecretScope,
  reading: Reading,
): Partial<BuiltImage> {
  const context = textOf(map, "context");
  const stage = textOf(map, "stage");
  for (const text of [context, stage]) if (text !== undefined) checkTemplates(text, scope, reading);
  if (stage !== undefined) checkStage(stage, image.path, reading);
  const args = textEntries(mapOf(map, "args"));
  for (const { value } of args) checkTemplates(value, scope, reading);
  const secrets = textsOf(map, "secrets") ?? [];
  for (const secret of secrets) checkSecret(secret.value, secret.at, scope, reading);
  return {
    context: (context && readFolder(context, scope, reading)) ?? image.context,
    stage: stage?.value ?? null,
    args: Object.fromEntries(args.map(({ key, value }) => [key, value.value])),
    secrets: secrets.map(({ value }) => value),
    timeoutMs: numberOf(map, "timeout") ?? BUILD_TIMEOUT_MS,
  };
}

function buildWanted(written: string): Finding {
  return {
    code: "IMAGE_PATH",
    message: `${quoted(written)} is a path, and "from" takes the name of an image`,
    hint: `\`build: ${written.slice(0, 60)}\``,
  };
}

function markMissing(written: string): Finding {
  return {
    code: "IMAGE_PATH",
    message: `${quoted(written)} has no ./ in front`,
    hint: `paths of Dockerfiles start with ./: \`build: ./${written.slice(0, 60)}\``,
  };
}

function checkStage(stage: CheckedText, path: string, reading: Reading): void {
  const content = hasTemplate(stage.value) ? undefined : reading.tree.read?.(path);
  if (content === undefined) return;
  const stages = dockerfileStages(content);
  // The engine takes a stage's number as well, and does not mind capitals.
  const isNumber = /^\d{1,4}$/.test(stage.value) && Number(stage.value) < stages.length;
  const wanted = stage.value.toLowerCase();
  if (isNumber || stages.some((name) => name?.toLowerCase() === wanted)) return;
  const named = stages.filter((name) => name !== null);
  refuse(reading, stage.at, {
    code: "STAGE_UNKNOWN",
    message: `./${path} has no stage ${quoted(stage.value)}`,
    hint: named.length === 0 ? "it names no stages" : `stages: ${named.slice(0, 20).join(", ")}`,
  });
}

function readDockerfile(text: CheckedText, scope: Scope, reading: Reading): BuiltImage | undefined {
  const path = pathFrom(scope.folder, text.value);
  if (path === undefined || path === "") return refuse(reading, text.at, outside(text.value));
  const isKnown = hasTemplate(text.value) || reading.tree.has(path);
  if (!isKnown) return refuse(reading, text.at, dockerfileMissing(path, scope, reading));
  return {
    kind: "dockerfile",
    path,
    context: scope.folder,
    stage: null,
    args: {},
    secrets: [],
    timeoutMs: BUILD_TIMEOUT_MS,
  };
}

function dockerfileMissing(path: string, scope: Scope, reading: Reading): Finding {
  return {
    code: "FILE_MISSING",
    message: `no file ${quoted(path)} in commit ${reading.tree.shortSha}`,
    hint:
      nearDockerfile(path, scope, reading) ??
      "commit it, or name an image of a registry, without the ./ in front",
  };
}

function nearDockerfile(path: string, { folder }: Scope, reading: Reading): string | undefined {
  const near = reading.nearFile(path);
  if (near === undefined) return undefined;
  const written = `./${pathTo(folder, near.path)}`;
  return near.isNear
    ? `did you mean ${written}?`
    : `found ${near.path}: write \`image: ${written}\``;
}

/**
 * Names as registries know them. The parts share no letters with the marks between them, so that
 * there is one way only to read a name and a hostile one takes no longer.
 */
const IMAGE_NAME =
  /^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const IMAGE_NAME_LENGTH_MAX = 400;
const DOCKERFILE_NAME = /^(?:dockerfile|containerfile)(?:\.|$)|\.(?:dockerfile|containerfile)$/i;

/** Is this how registries write the name of an image? */
export function isImageName(text: string): boolean {
  return text.length <= IMAGE_NAME_LENGTH_MAX && IMAGE_NAME.test(text);
}

function readImageName(
  text: CheckedText,
  scope: Scope,
  reading: Reading,
): PipelineImage | undefined {
  const written = text.value;
  const path = pathFrom(scope.folder, written);
  const message = `${quoted(written)} would be pulled from a registry`;
  if (path !== undefined && reading.tree.has(path)) {
    const hint = `there is a file of that name: write ./${pathTo(scope.folder, path)}`;
    return refuse(reading, text.at, { code: "IMAGE_PATH", message, hint });
  }
  if (path !== undefined && DOCKERFILE_NAME.test(baseName(path))) {
    const hint = nearDockerfile(path, scope, reading) ?? "there is no file of that name either";
    return refuse(reading, text.at, { code: "IMAGE_PATH", message, hint });
  }
  const plain = withoutTemplates(written);
  if (isImageName(plain)) return { kind: "named", name: written, pull: "missing" };
  const small = written.slice(0, IMAGE_NAME_LENGTH_MAX).toLowerCase();
  const hint = isImageName(withoutTemplates(small))
    ? `small letters: ${quoted(small)}`
    : "an image is written like `node:24`, a Dockerfile like `./Dockerfile`";
  const why = `${quoted(written)} is no image name`;
  return refuse(reading, text.at, { code: "NAME_INVALID", message: why, hint });
}
