import type { Readable } from "node:stream";
import { UserFault } from "../../../src/domain/faults.ts";
import type { PipelineImage } from "../../../src/domain/pipeline.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { Commit } from "../source/commit.ts";
import { DOCKER_IGNORE_FILE, readDockerIgnore } from "../source/docker-ignore.ts";
import type { IsIgnored } from "../source/docker-ignore.ts";
import { lineOfInstruction } from "../source/dockerfile-line.ts";
import type { Engine, Image, ImageBuild, Owner } from "../engine.ts";
import { repack } from "../source/tree-tar.ts";

const IMAGE_TIMEOUT_MS = 60 * 60 * 1_000;

export type ImageOutcome =
  | { readonly state: "passed"; readonly image: Image; readonly note: string | null }
  | { readonly state: "failed"; readonly failure: StepFailure };

export interface ImageDeps {
  readonly engine: Engine;
  readonly owner: Owner;
  readonly baseImage: string;
  /** Builds under one name share their layers. */
  readonly cacheName: string;
  readonly say: (line: string) => void;
  readonly write: (chunk: Buffer) => void;
}

/** The image that the job's tests run in: built from the commit, named, or the server's own. */
export async function makeImage(
  wanted: PipelineImage,
  commit: Commit,
  deps: ImageDeps,
  signal: AbortSignal,
): Promise<ImageOutcome> {
  if (wanted.kind === "dockerfile") return await buildImage(wanted.path, commit, deps, signal);
  const name = wanted.kind === "named" ? wanted.name : deps.baseImage;
  deps.say(`Using image ${name}`);
  return { state: "passed", image: await deps.engine.findImage(name, signal), note: name };
}

async function buildImage(
  dockerfile: string,
  commit: Commit,
  deps: ImageDeps,
  signal: AbortSignal,
): Promise<ImageOutcome> {
  if (!commit.has(dockerfile)) throw noDockerfile(dockerfile, commit.shortSha);
  const progress = readProgress();
  const built = await deps.engine.buildImage(
    {
      owner: deps.owner,
      context: await openContext(dockerfile, commit, signal),
      dockerfile,
      onOutput: (chunk) => {
        progress.read(chunk);
        deps.write(chunk);
      },
      timeoutMs: IMAGE_TIMEOUT_MS,
      cacheName: deps.cacheName,
    },
    signal,
  );
  if (built.kind === "built") return { state: "passed", image: built.image, note: progress.note() };
  if (built.kind === "over-time") return { state: "failed", failure: overTime() };
  const text = (await commit.readFile(dockerfile, signal)).toString();
  return {
    state: "failed",
    failure: failureOf(built, { dockerfile, text, step: progress.step() }),
  };
}

async function openContext(
  dockerfile: string,
  commit: Commit,
  signal: AbortSignal,
): Promise<Readable> {
  const isIgnored = await readIgnored(dockerfile, commit, signal);
  const rename = (name: string) => (isIgnored(name) ? undefined : name);
  return repack(commit.openTree(signal), { uid: 0, gid: 0, rename });
}

async function readIgnored(
  dockerfile: string,
  commit: Commit,
  signal: AbortSignal,
): Promise<IsIgnored> {
  if (!commit.has(DOCKER_IGNORE_FILE)) return () => false;
  const text = (await commit.readFile(DOCKER_IGNORE_FILE, signal)).toString();
  return readDockerIgnore(text, [dockerfile, DOCKER_IGNORE_FILE]);
}

/** Which instruction the engine is at, and how many of them it did not have to run again. */
function readProgress() {
  let step = 0;
  let steps = 0;
  let cached = 0;
  return {
    read: (chunk: Buffer): void => {
      const text = chunk.toString("latin1");
      const announced = /^Step (\d+)\/(\d+) : /m.exec(text);
      if (announced) [step, steps] = [Number(announced[1]), Number(announced[2])];
      if (/^ ---> Using cache/m.test(text)) cached += 1;
    },
    step: () => (step === 0 ? undefined : step),
    // FROM has no layer of its own.
    note: () => (steps < 2 ? null : `${cached} of ${steps - 1} layers from cache`),
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

function overTime(): StepFailure {
  return {
    code: "STEP_TIMEOUT",
    message: `image ran longer than ${IMAGE_TIMEOUT_MS / 60_000} min`,
    hint: "Make the Dockerfile's slow lines cacheable, or shorter.",
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
