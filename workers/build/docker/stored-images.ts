import { DEADLINE_MS, call, callOrNothing } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { removeImage } from "./image.ts";
import { IMAGE_LABEL, IMAGE_TAGS, keptUntil } from "./names.ts";
import type { Stored } from "../stored.ts";
import { fewAtATime } from "./few-at-a-time.ts";

export interface StoredImagesDeps extends DockerDeps {
  /** An image never changes, so each is looked at once. */
  readonly knownImages: Map<string, ImageFacts>;
}

export interface ImageFacts {
  /** Digests of its layers, from the bottom. */
  readonly layers: readonly string[];
  readonly sizeBytes: number;
}

interface Listed {
  readonly id: string;
  readonly tags: readonly string[];
  readonly isOurs: boolean;
}

/**
 * The images that builds left as caches, each under each of its names. What a container has, or
 * somebody else also named, is not among them; what lies in foreign images counts for nothing, as it
 * would stay.
 */
export async function listStoredImages(
  deps: StoredImagesDeps,
  signal: AbortSignal,
): Promise<readonly Stored[]> {
  const { docker } = deps;
  const options = { doing: "list images", deadlineMs: DEADLINE_MS.quick, signal };
  const [images, containers] = await Promise.all([
    call(options, (abortSignal) => docker.listImages({ abortSignal } as object)),
    call(options, (abortSignal) => docker.listContainers({ all: true, abortSignal })),
  ]);
  const used = new Set(containers.map(({ ImageID }) => ImageID));
  const listed = images.map(({ Id, RepoTags, Labels }): Listed => {
    const tags = (RepoTags ?? []).filter((tag) => tag !== "<none>:<none>");
    const isDangling = tags.length === 0 && (Labels as object | null) !== null;
    const isOurs = isDangling
      ? Labels[IMAGE_LABEL] !== undefined
      : tags.length > 0 && tags.every(isOurTag);
    return { id: Id, tags, isOurs: isOurs && !used.has(Id) };
  });
  for (const id of deps.knownImages.keys()) {
    if (!listed.some((image) => image.id === id)) deps.knownImages.delete(id);
  }
  const known = await fewAtATime(listed, async (image) => ({
    ...image,
    facts: await factsOf(deps, image.id, signal),
  }));
  const partsOf = layerParts(
    known.flatMap(({ facts, isOurs }) => (facts ? [{ ...facts, isOurs }] : [])),
  );
  const stored = await fewAtATime(known, async ({ id, tags, isOurs, facts }) => {
    if (!isOurs || facts === undefined) return [];
    const usedAt = await lastUseOf(deps, id, signal);
    if (usedAt === undefined) return [];
    const parts = partsOf(facts);
    const names = tags.length > 0 ? tags : [id];
    return names.map((name): Stored => {
      const remove = (until: AbortSignal) => removeImage(deps, name, until);
      return { kind: "image", name, usedAt, parts, remove };
    });
  });
  return stored.flat();
}

/** What a container was kept as for a while goes when its time is over, and not before. */
function isOurTag(tag: string): boolean {
  const names = Object.values(IMAGE_TAGS);
  return names.some((name) => tag.startsWith(`${name}:`)) && keptUntil(tag) === undefined;
}

async function factsOf(
  { docker, knownImages }: StoredImagesDeps,
  id: string,
  signal: AbortSignal,
): Promise<ImageFacts | undefined> {
  const known = knownImages.get(id);
  if (known !== undefined) return known;
  const found = await inspect({ docker }, id, signal);
  if (found === undefined) return undefined;
  const facts = { layers: found.RootFS.Layers ?? [], sizeBytes: found.Size };
  knownImages.set(id, facts);
  return facts;
}

/** When a build last ended with it: a build from the cache renews the tag, not the image. */
export async function lastUseOf(
  deps: Pick<DockerDeps, "docker">,
  id: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const found = await inspect(deps, id, signal);
  if (found === undefined) return undefined;
  const { Metadata: metadata } = found as { Metadata?: { LastTagTime?: string } };
  return Math.max(Date.parse(found.Created), Date.parse(metadata?.LastTagTime ?? "") || 0);
}

function inspect({ docker }: Pick<DockerDeps, "docker">, id: string, signal: AbortSignal) {
  return callOrNothing(
    { doing: "inspect an image", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => docker.getImage(id).inspect({ abortSignal } as object),
  );
}

/**
 * How much each image adds to the one it lies on. The engine tells the size of whole images alone, so
 * a piece is what lies between two images, one of which begins with the other.
 */
export function layerParts(
  images: readonly (ImageFacts & { readonly isOurs: boolean })[],
): (image: ImageFacts) => Stored["parts"] {
  const chainOf = (layers: readonly string[]) => layers.join(" ");
  const sizes = new Map(images.map(({ layers, sizeBytes }) => [chainOf(layers), sizeBytes]));
  const foreign = images.filter(({ isOurs }) => !isOurs).map(({ layers }) => chainOf(layers));
  return ({ layers }) => {
    const parts: { id: string; bytes: number }[] = [];
    let below = 0;
    for (let count = 1; count <= layers.length; count += 1) {
      const id = chainOf(layers.slice(0, count));
      const size = sizes.get(id);
      if (size === undefined) continue;
      const stays = foreign.some((chain) => chain === id || chain.startsWith(`${id} `));
      if (!stays) parts.push({ id, bytes: Math.max(0, size - below) });
      below = size;
    }
    return parts;
  };
}
