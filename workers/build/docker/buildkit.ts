import { randomUUID } from "node:crypto";
import type Dockerode from "dockerode";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import type { BuildDeps, PlannedBuild } from "./build-plan.ts";
import { limitBuildKit } from "./buildkit-limits.ts";
import { openBuildSession } from "./buildkit-session.ts";
import type { BuildSession } from "./buildkit-session.ts";
import { buildKitStory } from "./buildkit-story.ts";
import type { BuildKitStory } from "./buildkit-story.ts";
import { DEADLINE_MS, call, confirmThere, engineFault, sending } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { dockerfileFault, syntaxImageOf } from "./dockerfile.ts";
import { findImage, imageFault, inspectImage } from "./image.ts";
import { IMAGE_LABEL, IMAGE_TAGS, safe } from "./names.ts";
import { errorOf, progressLines } from "./progress.ts";
import type { ImageBuild } from "../engine.ts";

/** The first version of the engine's interface whose BuildKit is no experiment. */
const API_MIN = 1.39;
const TRACE = "moby.buildkit.trace";
const UNLIMITED =
  "Tatara: this image build has no memory limit: the worker cannot set one for BuildKit here.\n";

export async function hasBuildKit(
  { docker }: Pick<DockerDeps, "docker">,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await call(
    { doing: "describe itself", deadlineMs: DEADLINE_MS.quick, signal },
    () => docker.version(),
  );
  const isDocker = found.Components?.some(({ Name }) => Name === "Engine") ?? false;
  return isDocker && found.Os === "linux" && Number(found.ApiVersion) >= API_MIN;
}

/** Builds a Dockerfile that only BuildKit can read. */
export async function buildWithBuildKit(
  deps: BuildDeps,
  build: PlannedBuild,
  signal: AbortSignal,
): Promise<ImageBuild> {
  await refuseForeignParser(deps, build, signal);
  const running = {};
  const isKnown = await hasKnownCgroup(deps, signal);
  deps.sharedBuilds.add(running);
  try {
    const isLimited = isKnown && (await limit(deps));
    if (!isLimited && build.isUntrusted) throw unlimited(build);
    if (!isLimited) build.onOutput(Buffer.from(UNLIMITED));
    return await run(deps, build, signal);
  } finally {
    deps.sharedBuilds.delete(running);
    if (isKnown) await limit(deps);
  }
}

async function limit({ buildLimits, sharedBuilds }: BuildDeps): Promise<boolean> {
  return limitBuildKit(buildLimits, sharedBuilds.size);
}

/** Whether BuildKit's lines run in a cgroup of this machine whose place we know. */
async function hasKnownCgroup(
  { docker, address }: BuildDeps,
  signal: AbortSignal,
): Promise<boolean> {
  if (!("socketPath" in address)) return false;
  const info = (await call(
    { doing: "describe itself", deadlineMs: DEADLINE_MS.quick, signal },
    () => docker.info(),
  )) as { readonly CgroupDriver?: string };
  return info.CgroupDriver === "cgroupfs";
}

async function run(deps: BuildDeps, build: PlannedBuild, signal: AbortSignal): Promise<ImageBuild> {
  using deadline = deadlineIn(build.timeoutMs);
  const either = AbortSignal.any([signal, deadline.signal]);
  const story = buildKitStory();
  let session: BuildSession | undefined;
  try {
    session = await openBuildSession(deps.docker, build.secrets, either);
    const { id } = session;
    const answer = await sending(build.context, () => openBuild(deps, build, id, either));
    const end = await follow(answer, story, build.onOutput);
    if ("error" in end) {
      await confirmThere(deps);
      return failed(end.error, story, build);
    }
    const image = await findImage(deps, end.imageId, either);
    return { kind: "built", image, layers: story.layers() };
  } catch (err) {
    signal.throwIfAborted();
    if (deadline.signal.aborted) return overTime(story);
    throw err;
  } finally {
    session?.close();
  }
}

/** Time that went into waiting for a registry is not the user's. */
function overTime(story: BuildKitStory): ImageBuild {
  const image = story.awaitedImage();
  if (image === undefined) return { kind: "over-time" };
  throw new InfraFault("IMAGE_UNAVAILABLE", `The image "${image}" did not arrive in time.`);
}

async function openBuild(
  { docker }: DockerDeps,
  build: PlannedBuild,
  session: string,
  abortSignal: AbortSignal,
): Promise<NodeJS.ReadableStream> {
  const { context, dockerfile, stage, args, cacheName, isFresh, isUntrusted = false } = build;
  const options = {
    // A number: at the text "2" the library would open a session of its own, without secrets.
    version: 2,
    session,
    dockerfile,
    ...(stage === null ? {} : { target: stage }),
    // The prefix of every cache mount's id, which no line of the Dockerfile can leave out.
    buildargs: { ...args, BUILDKIT_CACHE_MOUNT_NS: cacheSpace(build) },
    labels: { [IMAGE_LABEL]: "1" },
    ...(cacheName === undefined ? {} : { t: `${IMAGE_TAGS.built}:${safe(cacheName)}` }),
    nocache: isFresh || isUntrusted,
    ...(isClosed(build) ? { networkmode: "none" } : {}),
    // A name in /etc/hosts is part of what a layer is found by: others' builds never find these.
    ...(isUntrusted ? { extrahosts: "untrusted.tatara.invalid:192.0.2.1" } : {}),
    abortSignal,
  };
  try {
    return await docker.buildImage(context, options as object as Dockerode.ImageBuildOptions);
  } catch (err) {
    throw engineFault(err, "build an image");
  }
}

function isClosed({ network }: PlannedBuild): boolean {
  return network !== undefined && (network === "none" || network.egress !== "internet");
}

/** Cache mounts are one repo's and trust class's; those of a fresh or untrusted build, its own. */
function cacheSpace({ cacheName, isFresh, isUntrusted = false }: PlannedBuild): string {
  if (isFresh || isUntrusted || cacheName === undefined) return `tatara-${randomUUID()}`;
  return `tatara-${safe(cacheName)}`;
}

async function follow(
  answer: NodeJS.ReadableStream,
  story: BuildKitStory,
  onOutput: (chunk: Buffer) => void,
): Promise<{ readonly error: string } | { readonly imageId: string }> {
  let imageId: string | undefined;
  for await (const line of progressLines(answer)) {
    const error = errorOf(line);
    if (error !== undefined) return { error };
    if (line.id === TRACE && typeof line.aux === "string") {
      const text = story.tell(line.aux);
      if (text.length > 0) onOutput(text);
    } else if (typeof line.aux === "object") {
      imageId = line.aux.ID ?? imageId;
    }
  }
  if (imageId !== undefined) return { imageId };
  throw new InfraFault("ENGINE_FAILED", "The engine ended an image build without an image.");
}

function failed(error: string, story: BuildKitStory, build: PlannedBuild): ImageBuild {
  const code = /exit code: (\d+)\s*$/.exec(error)?.[1];
  const exitCode = code === undefined ? null : Number(code);
  const message = withoutFrontend(error);
  if (exitCode === null) throwIfFault(message, story, build);
  return { kind: "failed", message, exitCode, instruction: story.failed() };
}

const ABOUT_DOCKERFILE =
  /dockerfile parse error|failed to create LLB definition|Dockerfile cannot be empty|failed to read dockerfile|cannot locate|failed to parse/i;

/** What did not run to an exit code may be the engine's or the registry's fault. */
function throwIfFault(message: string, story: BuildKitStory, build: PlannedBuild): void {
  if (/no space left on device/i.test(message)) throw new InfraFault("DISK_FULL", message);
  const image = story.missingImage();
  if (image !== undefined) throw imageFault(image, message, undefined);
  if (/no active session|failed to create shim|OCI runtime|rpc error/i.test(message)) {
    throw new InfraFault("ENGINE_FAILED", message);
  }
  if (story.failed() === null && ABOUT_DOCKERFILE.test(message)) {
    const { dockerfile: file, text } = build;
    throw dockerfileFault({ message: inShort(message), file, text, isBuildKit: true });
  }
}

function withoutFrontend(error: string): string {
  const text = error.replace(/^failed to solve( with frontend \S+)?: /, "");
  return text.trim().split("\n", 1)[0] ?? "";
}

function inShort(message: string): string {
  return message.replace(/^failed to create LLB definition: /, "");
}

/** A `# syntax=` line has BuildKit fetch a program and let it read everything: only one we have. */
async function refuseForeignParser(
  deps: DockerDeps,
  { text = "", dockerfile: file, isUntrusted }: PlannedBuild,
  signal: AbortSignal,
): Promise<void> {
  const image = syntaxImageOf(text);
  if (image === undefined) return;
  if (!isUntrusted && (await inspectImage(deps, image, signal))) return;
  throw new UserFault(
    "DOCKERFILE_NEEDS_BUILDKIT",
    `The line "# syntax=${image}" asks for a parser that this server does not have.`,
    {
      file,
      line: text.split("\n").findIndex((line) => line.includes(image)) + 1,
      hint: "Leave the line out: the engine's own parser knows RUN --mount and COPY --chmod.",
    },
  );
}

function unlimited({ dockerfile: file }: PlannedBuild): UserFault {
  return new UserFault(
    "DOCKERFILE_NEEDS_BUILDKIT",
    "A pull request from a fork is not built with BuildKit here, as its memory cannot be limited.",
    { file, hint: "Write the Dockerfile without RUN --mount and other options of BuildKit." },
  );
}
