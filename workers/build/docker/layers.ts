import { createHash } from "node:crypto";
import { InfraFault } from "../../../src/domain/faults.ts";
import { DEADLINE_MS, call, callOrNothing } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { inspectImage } from "./image.ts";
import { IMAGE_LABEL, IMAGE_TAGS, LABEL } from "./names.ts";
import type { Container, Image } from "../engine.ts";

/** The image that was kept under this key; each use makes its time to live begin again. */
export async function findLayer(
  deps: DockerDeps,
  key: string,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const name = nameOfLayer(key);
  const image = await inspectImage(deps, name, signal);
  if (image === undefined) return undefined;
  const [repo, tag] = name.split(":");
  await callOrNothing(
    { doing: "tag an image", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => deps.docker.getImage(image.id).tag({ repo, tag, abortSignal } as TagOptions),
  );
  return image;
}

/** The library passes the signal on, and its types do not know. */
type TagOptions = Parameters<ReturnType<DockerDeps["docker"]["getImage"]>["tag"]>[0];

/** Keeps an ended container's files as an image. Volumes, and what is in memory, are not in it. */
export async function keepLayer(
  deps: DockerDeps,
  { container, key }: { readonly container: Pick<Container, "id">; readonly key: string },
  signal: AbortSignal,
): Promise<Image> {
  const name = nameOfLayer(key);
  const [repo, tag] = name.split(":");
  // The container's labels pass to the image, and from there to whatever is run from it.
  const Labels = {
    [IMAGE_LABEL]: "layer",
    [LABEL.worker]: "",
    [LABEL.job]: "",
    [LABEL.attempt]: "0",
    [LABEL.step]: "",
  };
  await call(
    { doing: "keep a container as an image", deadlineMs: DEADLINE_MS.transfer, signal },
    (abortSignal) =>
      deps.docker.getContainer(container.id).commit({
        _query: { container: container.id, repo, tag },
        _body: { Labels },
        abortSignal,
      } as object),
  );
  const image = await inspectImage(deps, name, signal);
  if (image) return image;
  throw new InfraFault("ENGINE_FAILED", "An image is gone right after it was made.");
}

function nameOfLayer(key: string): string {
  return `${IMAGE_TAGS.layer}:${createHash("sha256").update(key).digest("hex").slice(0, 40)}`;
}
