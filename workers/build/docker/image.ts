import { createHash } from "node:crypto";
import type Dockerode from "dockerode";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import {
  DEADLINE_MS,
  call,
  callOrNothing,
  confirmThere,
  engineMessage,
  isOverDeadline,
  statusOf,
} from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { errorOf, progressLines } from "./progress.ts";
import type { Image } from "../engine.ts";

const PART = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*";
const HOST = "[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?";
const SHA256 = "sha256:[0-9a-f]{64}";
/** Checked here because a name becomes part of an address: `../containers/x` must not. */
const NAME_OR_ID = new RegExp(
  `^(?:${SHA256}|(?:${HOST}/)?${PART}(?:/${PART})*(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@${SHA256})?)$`,
);

const ID = new RegExp(`^${SHA256}$`);

/** The image of that name or id; a name that is not here, or is always asked for, may be pulled. */
export async function findImage(
  deps: DockerDeps,
  name: string,
  signal: AbortSignal,
  { pull: when }: { readonly pull: "missing" | "always" | "never" } = { pull: "missing" },
): Promise<Image> {
  if (!NAME_OR_ID.test(name)) throw imageFault(name, "invalid reference format", undefined);
  if (when !== "always" || ID.test(name)) {
    const found = await inspectImage(deps, name, signal);
    if (found) return found;
  }
  if (when === "never") throw imageFault(name, "it is not on this engine", undefined);
  await pull(deps, name, signal);
  const pulled = await inspectImage(deps, name, signal);
  if (!pulled) throw new InfraFault("ENGINE_FAILED", `The image ${name} is gone after its pull.`);
  return pulled;
}

export async function inspectImage(
  { docker }: DockerDeps,
  name: string,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const found = await callOrNothing(
    { doing: "inspect an image", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => docker.getImage(name).inspect({ abortSignal } as object),
  );
  return found && imageOf(found);
}

function imageOf({ Id: id, Config: config, RootFS: files }: Dockerode.ImageInspectInfo): Image {
  const { User: user, Env: env, WorkingDir: workingDir } = config;
  // Not the id: a build repeated without any change may give the same files a newer date.
  const content = JSON.stringify([files.Layers ?? id, env, user, workingDir]);
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  return { id, user, env: env ?? [], workingDir: workingDir || "/", digest };
}

async function pull(deps: DockerDeps, name: string, signal: AbortSignal): Promise<void> {
  const { docker, pullMs: deadlineMs = DEADLINE_MS.transfer } = deps;
  const options = { doing: "pull an image", deadlineMs, signal };
  try {
    await call(options, async (abortSignal) => {
      // Without a tag the engine would pull every tag of the repository.
      const fromImage = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
      const answer = await docker.createImage({ fromImage, abortSignal });
      for await (const line of progressLines(answer)) {
        const error = errorOf(line);
        if (error !== undefined) throw imageFault(name, error, undefined);
      }
    });
  } catch (err) {
    if (!isOverDeadline(err)) throw pullFault(name, err);
    // An engine that still answers was kept waiting itself: by the registry.
    await confirmThere(deps);
    signal.throwIfAborted();
    throw lateImage(name, deadlineMs, err);
  }
}

function pullFault(name: string, err: unknown): unknown {
  if (!(err instanceof InfraFault) || err.code === "IMAGE_UNAVAILABLE") return err;
  // No answer at all is the engine's fault; an answer of its own is about the image.
  return statusOf(err.cause) === undefined ? err : imageFault(name, engineMessage(err.cause), err);
}

function lateImage(name: string, limitMs: number, cause: unknown): InfraFault {
  const wayOut = `see how far \`docker pull ${name}\` gets on the worker's machine`;
  const message = `its registry did not deliver it within ${limitMs / 1000} s: ${wayOut}.`;
  return new InfraFault("IMAGE_UNAVAILABLE", `Image "${name}" could not be had: ${message}`, {
    cause,
  });
}

/** The engine's words for a name that no registry knows, or that cannot be a name. */
const UNKNOWN =
  /pull access denied|does not exist|manifest.*(unknown|not found)|name unknown|invalid (reference|repository)|unauthorized|denied|no matching manifest/i;
const BUSY = /toomanyrequests|rate limit|timeout|deadline exceeded|no such host/i;

/** Whether an image that could not be had is the user's mistake or the registry's (F40). */
export function imageFault(name: string, message: string, cause: unknown): UserFault | InfraFault {
  if (UNKNOWN.test(message) && !BUSY.test(message)) {
    return new UserFault("IMAGE_UNKNOWN", `There is no image "${name}": ${message}`, {
      hint: "Check the name and the tag, and that the registry lets this server read it.",
      cause,
    });
  }
  return new InfraFault("IMAGE_UNAVAILABLE", `Image "${name}" could not be had: ${message}`, {
    cause,
  });
}

/** An image that a container or another image still needs stays: it is found again later. */
export async function removeImage(
  { docker }: DockerDeps,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await callOrNothing(
      { doing: "remove an image", deadlineMs: DEADLINE_MS.heavy, signal },
      (abortSignal) => docker.getImage(id).remove({ abortSignal }),
    );
  } catch (err) {
    if (!(err instanceof InfraFault) || statusOf(err.cause) !== 409) throw err;
  }
}
