import type Dockerode from "dockerode";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { InfraFault } from "../../../src/domain/faults.ts";
import { confirmThere, engineFault, engineMessage, sending, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import type { BuildDeps, PlannedBuild } from "./build-plan.ts";
import { countOf, dockerfileFault, imageNamedBy } from "./dockerfile.ts";
import { findImage, imageFault } from "./image.ts";
import { IMAGE_LABEL, IMAGE_TAGS, cgroupOf, safe } from "./names.ts";
import { keepLayer } from "./name-layers.ts";
import { proxyEnv } from "./network.ts";
import { errorOf, progressLines } from "./progress.ts";
import type { Progress } from "./progress.ts";
import type { ImageBuild } from "../engine.ts";

const CPU_PERIOD_US = 100_000;

/** What the engine has announced so far. */
interface Story {
  instruction: string | null;
  /** The newest layer that this Dockerfile made, short id. */
  layer: string | undefined;
  /** The container of the newest instruction, short id. */
  container: string | undefined;
  /** The last layer of each stage before this one. */
  readonly stages: string[];
  imageId: string | undefined;
  reused: number;
  total: number;
}

/**
 * Builds with the classic builder: it alone honours a memory limit of the build's own and shows a
 * step's whole output. The engine ends the build, and removes its container, when the connection is
 * closed.
 */
export async function buildClassic(
  deps: BuildDeps,
  build: PlannedBuild,
  signal: AbortSignal,
): Promise<ImageBuild> {
  using deadline = deadlineIn(build.timeoutMs);
  const either = AbortSignal.any([signal, deadline.signal]);
  const story: Story = {
    instruction: null,
    layer: undefined,
    container: undefined,
    stages: [],
    imageId: undefined,
    reused: 0,
    total: 0,
  };
  try {
    const answer = await sending(build.context, () => openBuild(deps, build, either));
    const failure = await follow(answer, story, build.onOutput);
    if (failure === undefined) return await built(deps, story, either);
    await confirmThere(deps);
    return failed(failure, story, build);
  } catch (err) {
    if (story.container !== undefined) deps.brokenContainers.add(story.container);
    signal.throwIfAborted();
    if (deadline.signal.aborted) return overTime(story);
    throw err;
  } finally {
    await keepLayers(deps, build, story);
  }
}

async function openBuild(
  { docker, cgroupParent, buildLimits }: BuildDeps,
  build: PlannedBuild,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const { owner, context, dockerfile: file, text, stage, isFresh, isUntrusted } = build;
  const { network } = build;
  const sources = cacheSources(build);
  const options = {
    version: "1",
    dockerfile: file,
    // Proxies are arguments that every Dockerfile has, and no part of what a layer is found by.
    buildargs: { ...proxyEnv(network ?? "none"), ...build.args },
    ...(network === undefined ? {} : { networkmode: network === "none" ? "none" : network.name }),
    ...(stage === null ? {} : { target: stage }),
    labels: { [IMAGE_LABEL]: "1" },
    ...(build.cacheName === undefined ? {} : { t: `${IMAGE_TAGS.built}:${safe(build.cacheName)}` }),
    nocache: isFresh || isUntrusted === true,
    ...(sources === undefined ? {} : { cachefrom: sources }),
    rm: true,
    forcerm: true,
    memory: buildLimits.memoryBytes,
    memswap: buildLimits.memoryBytes,
    cpuperiod: CPU_PERIOD_US,
    cpuquota: Math.round(buildLimits.cpus * CPU_PERIOD_US),
    cgroupparent: cgroupOf(cgroupParent, owner.workerId),
    abortSignal: signal,
  };
  try {
    // The answer begins when the whole context has been sent, so only `signal` bounds this.
    return await docker.buildImage(context, options as object as Dockerode.ImageBuildOptions);
  } catch (err) {
    const message = engineMessage(err);
    if (!isAboutDockerfile(err, message)) throw engineFault(err, "build an image");
    throw dockerfileFault({ message, file, text, cause: err });
  }
}

/**
 * Images that a build under this name may take layers from: its own, and no other repo's or trust
 * class's. Without a name every layer on the engine will do.
 */
function cacheSources({ cacheName, text }: PlannedBuild): string[] | undefined {
  if (cacheName === undefined) return undefined;
  const stages = Array.from({ length: countOf("FROM", text) }, (_, index) => index);
  return [
    `${IMAGE_TAGS.built}:${safe(cacheName)}`,
    `${IMAGE_TAGS.partial}:${safe(cacheName)}`,
    ...stages.map((index) => stageTag(cacheName, index)),
  ];
}

function stageTag(cacheName: string, index: number): string {
  return `${IMAGE_TAGS.partial}:${safe(cacheName)}.stage${index}`;
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
  if (typeof aux === "object") story.imageId = aux.ID ?? story.imageId;
  const announced = /^Step \d+\/\d+ : (.*)/s.exec(stream)?.[1]?.trim();
  if (announced !== undefined) begin(story, announced);
  if (/^ ---> Using cache\n$/.test(stream) && !isOurs(story)) story.reused += 1;
  story.container = /^ ---> Running in ([0-9a-f]{12})\n$/.exec(stream)?.[1] ?? story.container;
  const layer = /^ ---> ([0-9a-f]{12})\n$/.exec(stream)?.[1];
  // What follows FROM is the base image, which is not ours.
  if (layer !== undefined && !isFrom(story)) story.layer = layer;
}

function begin(story: Story, instruction: string): void {
  story.instruction = instruction;
  if (!isFrom(story)) {
    story.total += isOurs(story) ? 0 : 1;
    return;
  }
  if (story.layer !== undefined) story.stages.push(story.layer);
  story.layer = undefined;
  // The engine names the image of each stage that it has ended; only the last is the build's.
  story.imageId = undefined;
}

/** The engine adds our label as the last instruction. */
function isOurs({ instruction }: Story): boolean {
  return instruction?.startsWith(`LABEL ${IMAGE_LABEL}`) ?? false;
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
  const image = await findImage(deps, story.imageId, signal);
  return { kind: "built", image, layers: { reused: story.reused, total: story.total } };
}

function failed(line: Progress, story: Story, { dockerfile }: PlannedBuild): ImageBuild {
  const message = errorOf(line) ?? "";
  const code = /returned a non-zero code: (\d+)/.exec(message)?.[1];
  const exitCode = line.errorDetail?.code ?? (code === undefined ? null : Number(code));
  if (exitCode === null) throwIfFault(message, story, dockerfile);
  return { kind: "failed", message: firstLine(message), exitCode, instruction: story.instruction };
}

/** A program or a user that the image does not have, or an option that this builder does not know. */
const ABOUT_COMMAND =
  /\bexec: |executable file not found|unable to find (user|group)|no matching entries|requires BuildKit|unknown flag|invalid/i;

/** A layer that this build went on from is gone: somebody removed an image that it was a part of. */
const LAYER_GONE = /(?:unable to find|no such) image[:\s"]*sha256:/i;

/** An instruction that did not run to an exit code may be the engine's or the registry's fault. */
function throwIfFault(message: string, { instruction }: Story, dockerfile: string): void {
  if (/requires BuildKit/i.test(message)) {
    throw dockerfileFault({ message, file: dockerfile, text: undefined });
  }
  if (/no space left on device/i.test(message)) throw new InfraFault("DISK_FULL", message);
  const image = imageNamedBy(instruction ?? "");
  if (image !== undefined && isAboutImage(message)) throw imageFault(image, message, undefined);
  if (image === undefined && LAYER_GONE.test(message)) {
    throw new InfraFault("ENGINE_FAILED", message);
  }
  // A command that ran has an exit code; what keeps one from running is mostly not its own.
  const isCommand = /^RUN\b/i.test(instruction ?? "") || /OCI runtime/i.test(message);
  if (isCommand && !ABOUT_COMMAND.test(message)) throw new InfraFault("ENGINE_FAILED", message);
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
 * Layers of earlier stages, and of a build that failed, carry no label, as labels come last. They are
 * the next build's cache, so they get a tag by which they are found when their time is over.
 */
async function keepLayers(
  deps: BuildDeps,
  { cacheName }: PlannedBuild,
  { stages, layer, imageId }: Story,
): Promise<void> {
  const tags = stages.map((id, index) => [id, cacheName && stageTag(cacheName, index)] as const);
  const last = cacheName && `${IMAGE_TAGS.partial}:${safe(cacheName)}`;
  const kept =
    imageId === undefined && layer !== undefined ? [...tags, [layer, last] as const] : tags;
  for (const [id, tag] of kept) await keepLayer(deps, id, tag ?? `${IMAGE_TAGS.partial}:${id}`);
}
