import type { Readable } from "node:stream";
import { UserFault } from "../../../src/domain/faults.ts";
import type { PipelineImage } from "../../../src/domain/pipeline.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { Commit } from "../source/commit.ts";
import { DOCKER_IGNORE_FILE, readDockerIgnore } from "../source/docker-ignore.ts";
import type { IsIgnored } from "../source/docker-ignore.ts";
import { lineOfInstruction } from "../source/dockerfile-line.ts";
import type { Engine, Image, ImageBuild, NetworkHandle, Owner, SecretFile } from "../engine.ts";
import { refuseInsideDockerfile } from "../outside-images.ts";
import type { OutsideDeps } from "../outside-images.ts";
import { inMinutes } from "../step-limits.ts";
import { repack } from "../source/tree-tar.ts";

/** Name of a Dockerfile in its context when it lies outside of the context's folder. */
const MOVED_DOCKERFILE = ".tatara.Dockerfile";

export type DockerfileImage = Extract<PipelineImage, { readonly kind: "dockerfile" }>;

export type ImageOutcome =
  | {
      readonly state: "passed";
      readonly image: Image;
      readonly note: string | null;
      readonly layers: { readonly reused: number; readonly total: number } | null;
    }
  | { readonly state: "failed"; readonly failure: StepFailure };

export interface ImageDeps extends OutsideDeps {
  readonly engine: Engine;
  readonly owner: Owner;
  readonly baseImage: string;
  /** Builds under one name share their layers. */
  readonly cacheName: string;
  /** Reuses nothing that earlier builds left. */
  readonly isFresh: boolean;
  /** A stranger's Dockerfile. */
  readonly isUntrusted: boolean;
  /** What its `RUN` lines reach; undefined: as anything on the engine. */
  readonly network?: NetworkHandle | "none";
  readonly timeoutMsMax: number;
  /** All that the job may read; a Dockerfile is offered those that it names. */
  readonly secrets: readonly SecretFile[];
  readonly say: (line: string) => void;
  readonly write: (chunk: Buffer) => void;
}

/** An image of the job: built from the commit, named, or the server's own. */
export async function makeImage(
  wanted: PipelineImage,
  commit: Commit,
  deps: ImageDeps,
  signal: AbortSignal,
): Promise<ImageOutcome> {
  if (wanted.kind === "dockerfile") return await buildImage(wanted, commit, deps, signal);
  const name = wanted.kind === "named" ? wanted.name : deps.baseImage;
  deps.say(`Using image ${name}`);
  const pull = wanted.kind === "named" ? wanted.pull : "missing";
  const image = await deps.engine.findImage(name, signal, { pull });
  return { state: "passed", image, note: name, layers: null };
}

async function buildImage(
  wanted: DockerfileImage,
  commit: Commit,
  deps: ImageDeps,
  signal: AbortSignal,
): Promise<ImageOutcome> {
  const { path, stage, args } = wanted;
  if (!commit.has(path)) throw noDockerfile(path, commit.shortSha);
  const secrets = deps.secrets.filter(({ name }) => wanted.secrets.includes(name));
  refuseSecretArgs(args, deps.secrets);
  const dockerfile = (await commit.readFile(path, signal)).toString();
  await refuseInsideDockerfile(deps, { path, text: dockerfile, args }, signal);
  const timeoutMs = Math.min(wanted.timeoutMs, deps.timeoutMsMax);
  const progress = readProgress();
  const context = contextOf(wanted);
  const built = await deps.engine.buildImage(
    {
      owner: deps.owner,
      context: await openContext(wanted, commit, signal),
      dockerfile: context.dockerfile,
      stage,
      args,
      secrets,
      isFresh: deps.isFresh,
      isUntrusted: deps.isUntrusted,
      ...(deps.network === undefined ? {} : { network: deps.network }),
      onOutput: (chunk) => {
        progress.read(chunk);
        deps.write(chunk);
      },
      timeoutMs,
      cacheName: deps.cacheName,
    },
    signal,
  );
  if (built.kind === "over-time") return { state: "failed", failure: overTime(timeoutMs) };
  if (built.kind === "built") {
    const { image, layers } = built;
    // A Dockerfile with nothing but `FROM` makes no layer.
    const note = layers?.total ? `${layers.reused} of ${layers.total} layers from cache` : null;
    return { state: "passed", image, note, layers };
  }
  const text = (await commit.readFile(path, signal)).toString();
  const at = { dockerfile: path, text, step: progress.step() };
  return { state: "failed", failure: failureOf(built, at) };
}

/** Where the Dockerfile is inside its context, and what stands before each path of the context. */
function contextOf({ path, context }: DockerfileImage) {
  const prefix = context === "" ? "" : `${context}/`;
  const isInside = path.startsWith(prefix);
  return { prefix, isInside, dockerfile: isInside ? path.slice(prefix.length) : MOVED_DOCKERFILE };
}

async function openContext(
  wanted: DockerfileImage,
  commit: Commit,
  signal: AbortSignal,
): Promise<Readable> {
  const { prefix, isInside, dockerfile } = contextOf(wanted);
  const isIgnored = await readIgnored(prefix, dockerfile, commit, signal);
  const rename = (name: string): string | undefined => {
    if (!isInside && name === wanted.path) return dockerfile;
    if (!name.startsWith(prefix)) return undefined;
    const inside = name.slice(prefix.length);
    return inside === "" || isIgnored(inside) ? undefined : inside;
  };
  const paths = prefix === "" ? [] : [wanted.context, ...(isInside ? [] : [wanted.path])];
  return repack(commit.openTree(signal, paths), { uid: 0, gid: 0, rename });
}

async function readIgnored(
  prefix: string,
  dockerfile: string,
  commit: Commit,
  signal: AbortSignal,
): Promise<IsIgnored> {
  const path = prefix + DOCKER_IGNORE_FILE;
  if (!commit.has(path)) return () => false;
  const text = (await commit.readFile(path, signal)).toString();
  return readDockerIgnore(text, [dockerfile, DOCKER_IGNORE_FILE]);
}

/** An argument stays readable in the image's history. */
function refuseSecretArgs(args: DockerfileImage["args"], secrets: readonly SecretFile[]): void {
  const values = new Set(secrets.map(({ value }) => value));
  const found = Object.entries(args).find(([, value]) => values.has(value));
  if (found === undefined) return;
  throw new UserFault("IMAGE_BUILD_FAILED", `The build argument ${found[0]} holds a secret.`, {
    hint: "Arguments stay in the image: offer it as `image.secrets`, for RUN --mount=type=secret.",
  });
}

/** Which instruction the engine is at. */
function readProgress() {
  let step: number | undefined;
  return {
    read: (chunk: Buffer): void => {
      const announced = /^Step (\d+)\/(\d+) : /m.exec(chunk.toString("latin1"));
      if (announced) step = Number(announced[1]);
    },
    step: () => step,
  };
}

function failureOf(
  { instruction, exitCode, message }: Extract<ImageBuild, { kind: "failed" }>,
  at: { readonly dockerfile: string; readonly text: string; readonly step: number | undefined },
): StepFailure {
  const line =
    instruction === null
      ? undefined
      : lineOfInstruction(at.text, { text: instruction, number: at.step });
  const place = `./${at.dockerfile}${line === undefined ? "" : `:${line}`}`;
  const what = instruction === null ? "" : ` \`${instruction.slice(0, 200)}\``;
  return {
    code: "IMAGE_BUILD_FAILED",
    message:
      exitCode === null ? `${place}${what}: ${message}` : `${place}${what} exited ${exitCode}`,
    hint: null,
    file: at.dockerfile,
    line: line ?? null,
    exitCode,
  };
}

function overTime(timeoutMs: number): StepFailure {
  return {
    code: "STEP_TIMEOUT",
    message: `image ran longer than ${inMinutes(timeoutMs)}`,
    hint: "Make the Dockerfile's slow lines cacheable, or raise `image.timeout`.",
    file: null,
    line: null,
    exitCode: null,
  };
}

function noDockerfile(path: string, shortSha: string): UserFault {
  return new UserFault("FILE_MISSING", `There is no file "${path}" in commit ${shortSha}.`, {
    hint: "Commit the Dockerfile, or name the right one under `image:`.",
  });
}
