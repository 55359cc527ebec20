import type { JobSpec, PlannedImage, PlannedJob } from "../../../src/domain/job-spec.ts";
import type { LocalRequest } from "../../../src/shared/local-messages.ts";
import type { Engine } from "../engine.ts";

type Planned = Pick<PlannedJob, "spec" | "needs" | "skip">;

/**
 * A replay runs in the very images of its build, where this engine has them. Elsewhere they are made or
 * pulled anew, and what differs is said.
 */
export async function pinImages(
  jobs: readonly Planned[],
  { jobs: replayed }: Pick<LocalRequest, "jobs">,
  engine: Pick<Engine, "findImage">,
  signal: AbortSignal,
): Promise<{ readonly jobs: readonly Planned[]; readonly warnings: readonly string[] }> {
  if (replayed === null) return { jobs, warnings: [] };
  const warnings: string[] = [];
  const pinned: Planned[] = [];
  for (const job of jobs) {
    const ids = replayed.find(({ spec }) => spec.name === job.spec.name)?.images ?? {};
    const images: PlannedImage[] = [];
    for (const image of job.spec.images) {
      const id = ids[image.key];
      const isHere = id !== undefined && (await has(engine, id, signal));
      if (isHere) images.push(fixed(image, id));
      else {
        images.push(image);
        warnings.push(`${image.step ?? "image"}: not the build's own, which is not on this engine`);
      }
    }
    pinned.push({ ...job, spec: { ...job.spec, images } satisfies JobSpec });
  }
  return { jobs: pinned, warnings: [...new Set(warnings)] };
}

function fixed(image: PlannedImage, id: string): PlannedImage {
  return { ...image, image: { kind: "named", name: id, pull: "missing" } };
}

async function has(
  engine: Pick<Engine, "findImage">,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await engine.findImage(id, signal, { pull: "never" });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
