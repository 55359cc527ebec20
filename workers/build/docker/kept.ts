import type Dockerode from "dockerode";
import { DEADLINE_MS, call, callOrNothing } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { keptName, keptUntil } from "./names.ts";
import type { Owner } from "../engine.ts";

/** Renames a stopped container: its new name says until when it is no leftover. */
export async function keep(
  container: Dockerode.Container,
  owner: Owner,
  until: number,
  signal: AbortSignal,
): Promise<void> {
  const name = keptName(until, owner);
  await call({ doing: "keep a container", deadlineMs: DEADLINE_MS.quick, signal }, (abortSignal) =>
    container.rename({ name, abortSignal }),
  );
}

export function isKept(names: readonly string[], now: number): boolean {
  return names.some((name) => (keptUntil(name) ?? 0) > now);
}

/** The volumes that kept containers need: those they mount, and those that an overlay lies on. */
export async function heldVolumes(
  { docker }: DockerDeps,
  kept: readonly { readonly Mounts: readonly { readonly Name?: string | undefined }[] }[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const mounted = kept.flatMap(({ Mounts }) => Mounts.flatMap(({ Name }) => Name ?? []));
  const below = mounted.map(async (name) => {
    const found = await callOrNothing(
      { doing: "inspect a volume", deadlineMs: DEADLINE_MS.quick, signal },
      (abortSignal) => docker.getVolume(name).inspect({ abortSignal }),
    );
    return volumesBelow(found?.Options?.["o"] ?? "");
  });
  return new Set([...mounted, ...(await Promise.all(below)).flat()]);
}

/** `lowerdir=/var/lib/docker/volumes/NAME/_data,upperdir=…/volumes/OTHER/_data/upper0`: NAME, OTHER. */
export function volumesBelow(overlayOptions: string): string[] {
  return [...overlayOptions.matchAll(/\/volumes\/([^/,]+)\/_data/g)].flatMap(
    ([, name]) => name ?? [],
  );
}
