import type Dockerode from "dockerode";
import { InfraFault } from "../../../src/domain/faults.ts";
import { DEADLINE_MS, call, engineFault, engineMessage, sending, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { dockerfileFault, imageNamedBy } from "./dockerfile.ts";
import { findImage, imageFault } from "./image.ts";
import { IMAGE_LABEL, IMAGE_TAGS, cgroupOf, safe } from "./names.ts";
import { errorOf, progressLines } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { keepingFile } from "./tar-file.ts";
import type { BuildImageOptions, ImageBuild } from "../engine.ts";

/** Limits of each `RUN` line; the classic builder knows no others. */
export interface BuildLimits {
  readonly memoryBytes: number;
  readonly cpus: number;
}

export interface BuildDeps extends DockerDeps {
  readonly buildLimits: BuildLimits;
  readonly now: () => number;
  /** When each build of now began: their containers have no labels, and are no leftovers yet. */
  readonly buildStarts: Set<{ readonly at: number }>;
}

const CPU_PERIOD_US = 100_000;

/** What the engine has announced so far. */
interface Story {
  instruction: string | null;
  /** The newest layer that this Dockerfile made, short id. */
  layer: string | undefined;
  imageId: string | undefined;
}

/**
 * Builds with the classic builder: it alone honours the memory limit and shows a step's whole output.
 * The engine ends the build, and removes its container, when the connection is closed.
 */
export async function buildImage(
  deps: BuildDeps,
  options: BuildImageOptions,
  signal: AbortSignal,
): Promise<ImageBuild> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const either = AbortSignal.any([signal, deadline]);
  const running = { at: deps.now() };
  deps.buildStarts.add(running);
  const story: Story = { instruction: null, layer: undefined, imageId: undefined };
  try {
    const answer = await sending(options.context, () => openBuild(deps, options, either));
    const failure = await follow(answer, story, options.onOutput);
    return failure ? failed(failure, story, options) : await built(deps, story, either);
  } catch (err) {
    signal.throwIfAborted();
    if (deadline.aborted) return overTime(story);
    throw err;
  } finally {
    deps.buildStarts.delete(running);
    if (story.imageId === undefined) await keepLayer(deps, story.layer);
  }
}

async function openBuild(
  { docker, cgroupParent, buildLimits }: BuildDeps,
  { owner, context, dockerfile: file, cacheName }: BuildImageOptions,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const { tar, text } = keepingFile(context, file);
  const options = {
    version: "1",
    dockerfile: file,
    labels: { [IMAGE_LABEL]: "1" },
    ...(cacheName === undefined ? {} : { t: `${IMAGE_TAGS.built}:${safe(cacheName)}` }),
    rm: true,
    forcerm: true,
    memory: buildLimits.memoryBytes,
    memswap: buildLimits.memoryBytes,
    cpuperiod: CPU_PERIOD_US,
    cpuquota: Math.round(buildLimits.cpus * CPU_PERIOD_US),
    cgroupparent: cgroupOf(cgroupParent, owner.workerId),
    abortSignal: signal,
  } satisfies Dockerode.ImageBuildOptions & { cgroupparent: string };
  try {
    // The answer begins when the whole context has been sent, so only `signal` bounds this.
    return await docker.buildImage(tar, options);
  } catch (err) {
    const message = engineMessage(err);
    if (!isAboutDockerfile(err, message)) throw engineFault(err, "build an image");
    throw dockerfileFault({ message, file, text: text(), cause: err });
  }
}

function isAboutDockerfile(err: unknown, message: string): boolean {
  return statusOf(err) === 400 || /specified Dockerfile|Forbidden path/i.test(message);
}

/** Reads to the end, or to the line that says why there is no image. */
async function follow(
  answer: NodeJS.ReadableStream,
  story: Story,
  onOutput: (chunk: Buffer) => void,
): Promise<Progress | undefined> {
  for await (const line of progressLines(answer)) {
    if (errorOf(line) !== undefined) return line;
    note(story, line);
    const text = spoken(line);
    if (text) onOutput(Buffer.from(text));
  }
  return undefined;
}

function note(story: Story, { stream = "", aux }: Progress): void {
  story.imageId = aux?.ID ?? story.imageId;
  story.instruction = /^Step \d+\/\d+ : (.*)/s.exec(stream)?.[1]?.trim() ?? story.instruction;
  const layer = /^ ---> ([0-9a-f]{12})\n$/.exec(stream)?.[1];
  // What follows FROM is the base image, which is not ours.
  if (layer !== undefined && !isFrom(story)) story.layer = layer;
}

function isFrom({ instruction }: Story): boolean {
  return /^FROM\b/i.test(instruction ?? "");
}

/** Output as it is; of a pull its milestones without the bars. */
function spoken({ stream, id, status, progressDetail }: Progress): string | undefined {
  if (stream !== undefined || status === undefined) return stream;
  if (progressDetail?.current !== undefined) return undefined;
  return id === undefined ? `${status}\n` : `${id}: ${status}\n`;
}

async function built(deps: DockerDeps, story: Story, signal: AbortSignal): Promise<ImageBuild> {
  if (story.imageId === undefined) {
    throw new InfraFault("ENGINE_FAILED", "The engine ended an image build without an image.");
  }
  return { kind: "built", image: await findImage(deps, story.imageId, signal) };
}

function failed(line: Progress, story: Story, { dockerfile }: BuildImageOptions): ImageBuild {
  const message = errorOf(line) ?? "";
  const code = /returned a non-zero code: (\d+)/.exec(message)?.[1];
  const exitCode = line.errorDetail?.code ?? (code === undefined ? null : Number(code));
  if (exitCode === null) throwIfFault(message, story, dockerfile);
  return { kind: "failed", message: firstLine(message), exitCode, instruction: story.instruction };
}

/** An instruction that did not run to an exit code may be the engine's or the registry's fault. */
function throwIfFault(message: string, { instruction }: Story, dockerfile: string): void {
  if (/requires BuildKit/i.test(message)) {
    throw dockerfileFault({ message, file: dockerfile, text: undefined });
  }
  if (/no space left on device/i.test(message)) throw new InfraFault("DISK_FULL", message);
  const image = imageNamedBy(instruction ?? "");
  if (image !== undefined && isAboutImage(message)) throw imageFault(image, message, undefined);
  if (/failed to create shim task|OCI runtime/i.test(message) && !/\bexec: /.test(message)) {
    throw new InfraFault("ENGINE_FAILED", message);
  }
}

/** `COPY --from=` also fails for a file that the image does not have, which is a plain failure. */
function isAboutImage(message: string): boolean {
  return !/^(COPY|ADD) failed/i.test(message);
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] ?? "";
}

/** Time that went into waiting for a registry is not the user's. */
function overTime(story: Story): ImageBuild {
  const image = imageNamedBy(story.instruction ?? "");
  if (!isFrom(story) || image === undefined) return { kind: "over-time" };
  throw new InfraFault("IMAGE_UNAVAILABLE", `The image "${image}" did not arrive in time.`);
}

/**
 * Layers of a build that failed carry no label, as labels come last. They are the next build's
 * cache, so they get a tag by which they are found when their time is over.
 */
async function keepLayer({ docker, logger }: DockerDeps, layer: string | undefined): Promise<void> {
  if (layer === undefined) return;
  const signal = AbortSignal.timeout(DEADLINE_MS.quick);
  try {
    await call({ doing: "tag an image", deadlineMs: DEADLINE_MS.quick, signal }, (abortSignal) =>
      docker.getImage(layer).tag({ repo: IMAGE_TAGS.partial, tag: layer, abortSignal }),
    );
  } catch (err) {
    logger.warn({ err, layer }, "Layer of a failed image build could not be tagged");
  }
}
