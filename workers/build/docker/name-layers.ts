import { InfraFault } from "../../../src/domain/faults.ts";
import type { BuildDeps } from "./build-plan.ts";
import { DEADLINE_MS, call, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { inspectImage, removeImage } from "./image.ts";
import { IMAGE_TAGS } from "./names.ts";
import { fewAtATime } from "./few-at-a-time.ts";

/** How many digits of an image's id the engine shows in a build. */
const SHORT_ID = 12;

export type NameLayersDeps = DockerDeps & Pick<BuildDeps, "unnamedLayers" | "brokenContainers">;

/** Gives a layer a name by which it is found when its time is over. */
export async function keepLayer(deps: NameLayersDeps, id: string, name: string): Promise<void> {
  const { docker, logger, unnamedLayers } = deps;
  const signal = AbortSignal.timeout(DEADLINE_MS.quick);
  const [repo = "", tag = ""] = name.split(":");
  try {
    const before = await inspectImage(deps, name, signal);
    const doing = { doing: "tag an image", deadlineMs: DEADLINE_MS.quick, signal };
    await call(doing, (abortSignal) => docker.getImage(id).tag({ repo, tag, abortSignal }));
    // Without its tag nobody would ever find it again; where a newer layer lies on it, it stays.
    if (before && !before.id.startsWith(`sha256:${id}`)) await removeImage(deps, before.id, signal);
  } catch (err) {
    logger.warn({ err, layer: id }, "Layer of an image build could not be tagged");
    // Gone with the engine, perhaps; else it would lie there for ever, as nothing says whose it is.
    if (!(err instanceof InfraFault) || statusOf(err.cause) !== 404) unnamedLayers.set(id, name);
  }
}

/** Names what could not be named when its build ended, as the engine was away. */
export async function nameLayers(deps: NameLayersDeps): Promise<void> {
  const waiting = [...deps.unnamedLayers];
  deps.unnamedLayers.clear();
  for (const [id, name] of waiting) await keepLayer(deps, id, name);
  if (deps.brokenContainers.size > 0) await nameBrokenLayers(deps);
}

/** The engine may have made a layer of a build's last container after nobody heard it any more. */
async function nameBrokenLayers(deps: NameLayersDeps): Promise<void> {
  const { docker, brokenContainers, logger } = deps;
  const signal = AbortSignal.timeout(DEADLINE_MS.heavy);
  const options = { doing: "look for layers", deadlineMs: DEADLINE_MS.heavy, signal };
  const broken = [...brokenContainers];
  try {
    const images = await call(options, async (abortSignal) => {
      const filters = JSON.stringify({ dangling: ["true"] });
      const found = await docker.listImages({ filters, abortSignal } as object);
      return await fewAtATime(found, ({ Id }) => docker.getImage(Id).inspect());
    });
    for (const { Id, Container: from = "" } of images) {
      const id = Id.slice("sha256:".length, "sha256:".length + SHORT_ID);
      const isOurs = broken.some((container) => from.startsWith(container));
      if (isOurs) await keepLayer(deps, id, `${IMAGE_TAGS.partial}:${id}`);
    }
    broken.forEach((container) => brokenContainers.delete(container));
  } catch (err) {
    logger.warn({ err }, "Layers of broken builds were not looked for");
  }
}
