import { InfraFault } from "../../../src/domain/faults.ts";
import { DEADLINE_MS, call, callOrNothing, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { removeContainer } from "./container.ts";
import { removeImage } from "./image.ts";
import { heldVolumes, isKept } from "./kept.ts";
import { IMAGE_LABEL, IMAGE_TAGS, LABEL } from "./names.ts";
import { jobInName, keptUntil, workerOfCgroup } from "./names.ts";
import { nameLayers } from "./name-layers.ts";
import { removeNetwork } from "./network.ts";
import { lastUseOf } from "./stored-images.ts";
import type { Leftover, Owner } from "../engine.ts";
import { raceAbort } from "../race-abort.ts";
import { fewAtATime } from "./few-at-a-time.ts";

export interface LeftoverDeps extends DockerDeps {
  /** How long an image that nothing refers to any more is kept: its layers are a cache. */
  readonly imageTtlMs: number;
  readonly now: () => number;
  readonly buildStarts: ReadonlySet<{ readonly at: number }>;
  readonly unnamedLayers: Map<string, string>;
  readonly brokenContainers: Set<string>;
}

/** Clocks of engine and worker differ, and the engine counts whole seconds. */
const CLOCK_SLACK_MS = 60_000;

/** Who keeps something may come for it a little late; then anybody may remove it. */
const OVER_AFTER_MS = 60 * 60_000;

/**
 * An engine that is killed while it makes a volume (seen: 8 volumes in 15 kills)
 * keeps it without its labels, so nothing says whose worker's it is. Whoever asked for it had no answer
 * by this time, and nobody uses what he was never given.
 */
const FORGOTTEN_AFTER_MS = DEADLINE_MS.heavy + CLOCK_SLACK_MS;

type Labels = Readonly<Record<string, string>> | null | undefined;

type Owned = DockerDeps & Pick<LeftoverDeps, "now">;

/** Removes what one attempt made. Volumes and networks go once no container holds them. */
export async function removeAllOf(
  deps: Owned,
  { jobId, attempt }: Pick<Owner, "jobId" | "attempt">,
  signal: AbortSignal,
): Promise<void> {
  const { docker } = deps;
  await raceAbort(Promise.allSettled(deps.making), signal);
  const label = [`${LABEL.job}=${jobId}`, `${LABEL.attempt}=${attempt}`];
  const found = await quick(signal, "list containers", (abortSignal) =>
    docker.listContainers({ all: true, filters: { label }, abortSignal }),
  );
  const kept = found.filter(({ Names }) => isKept(Names, deps.now()));
  const held = await heldVolumes(deps, kept, signal);
  const others = found.filter((container) => !kept.includes(container));
  await all(others.map(({ Id }) => removeContainer(docker.getContainer(Id), signal)));
  await all([removeVolumes(deps, label, held, signal), removeNetworks(deps, label, signal)]);
}

/** Waits for all, then throws the first failure: one that fails must not leave the others behind. */
async function all(removals: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(removals);
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function removeVolumes(
  deps: DockerDeps,
  label: string[],
  held: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const { Volumes: volumes } = await quick(signal, "list volumes", (abortSignal) =>
    deps.docker.listVolumes({ filters: { label }, abortSignal } as object),
  );
  const free = (volumes ?? []).filter(({ Name }) => !held.has(Name));
  await all(free.map(({ Name }) => removeVolume(deps, Name, signal)));
}

async function removeNetworks(deps: Owned, label: string[], signal: AbortSignal): Promise<void> {
  const networks = await quick(signal, "list networks", (abortSignal) =>
    deps.docker.listNetworks({ filters: { label }, abortSignal }),
  );
  const free = networks.filter(({ Name }) => !isKept([Name], deps.now()));
  await all(free.map(({ Id }) => removeNetwork(deps, Id, signal)));
}

/** Everything of ours on the engine; whose it is, and whether it still has a life, others decide. */
export async function listLeftovers(
  deps: LeftoverDeps,
  signal: AbortSignal,
): Promise<readonly Leftover[]> {
  await nameLayers(deps);
  const found = await Promise.all([
    listContainers(deps, signal),
    listNetworks(deps, signal),
    listVolumes(deps, signal),
    listImages(deps, signal),
  ]);
  return found.flat();
}

async function listContainers(deps: LeftoverDeps, signal: AbortSignal): Promise<Leftover[]> {
  const containers = await quick(signal, "list containers", (abortSignal) =>
    deps.docker.listContainers({ all: true, abortSignal }),
  );
  const found = await fewAtATime(containers, async (container): Promise<Leftover[]> => {
    if (isKept(container.Names, deps.now())) return [];
    const leftover = leftoverOf("container", container.Id, container.Created * 1000);
    if (container.Labels[LABEL.job] !== undefined) {
      return [{ ...leftover(container.Labels), ...overIf(container.Names, deps) }];
    }
    if (mayBeBuilding(deps, container.Created * 1000)) return [];
    const workerId = await workerByCgroup(deps, container.Id, signal);
    return workerId === undefined ? [] : [{ ...leftover(undefined), workerId }];
  });
  return found.flat();
}

function overIf(names: readonly string[], { now }: Pick<LeftoverDeps, "now">): { isOver?: true } {
  const ends = names.flatMap((name) => keptUntil(name) ?? []);
  return ends.some((at) => at + OVER_AFTER_MS < now()) ? { isOver: true } : {};
}

/** Containers of our running builds have no labels either. */
function mayBeBuilding({ buildStarts }: LeftoverDeps, createdAt: number): boolean {
  return [...buildStarts].some(({ at }) => createdAt >= at - CLOCK_SLACK_MS);
}

/** A killed engine leaves containers of image builds without labels; their cgroup tells. */
async function workerByCgroup(
  { docker, cgroupParent }: DockerDeps,
  id: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => docker.getContainer(id).inspect({ abortSignal }),
  );
  return found && workerOfCgroup(cgroupParent, found.HostConfig.CgroupParent ?? "");
}

async function listNetworks({ docker, now }: Owned, signal: AbortSignal): Promise<Leftover[]> {
  const networks = await quick(signal, "list networks", (abortSignal) =>
    docker.listNetworks({ filters: { label: [LABEL.job] }, abortSignal }),
  );
  return networks
    .filter(({ Name }) => !isKept([Name], now()))
    .map((network) => ({
      ...leftoverOf("network", network.Id, Date.parse(network.Created))(network.Labels),
      ...overIf([network.Name], { now }),
    }));
}

async function listVolumes(deps: Owned, signal: AbortSignal): Promise<Leftover[]> {
  const [{ Volumes: volumes }, containers] = await Promise.all([
    quick(signal, "list volumes", (abortSignal) =>
      deps.docker.listVolumes({ abortSignal } as object),
    ),
    quick(signal, "list containers", (abortSignal) =>
      deps.docker.listContainers({ all: true, filters: { label: [LABEL.job] }, abortSignal }),
    ),
  ]);
  const kept = containers.filter(({ Names }) => isKept(Names, deps.now()));
  const held = await heldVolumes(deps, kept, signal);
  const free = (volumes ?? []).filter(({ Name }) => !held.has(Name));
  return free.flatMap((volume): Leftover[] => {
    const { CreatedAt = "" } = volume as { CreatedAt?: string };
    const createdAt = Date.parse(CreatedAt);
    const leftover = leftoverOf("volume", volume.Name, createdAt)(volume.Labels);
    if (leftover.jobId !== undefined) return [leftover];
    const owner = jobInName(volume.Name);
    const isForgotten = createdAt + FORGOTTEN_AFTER_MS < deps.now();
    return owner !== undefined && isForgotten ? [{ ...leftover, ...owner, isOver: true }] : [];
  });
}

/**
 * Our images whose time to live is over: those without a tag, those under a name (a repo that is
 * built no more), and what failed builds left. Images of kept containers go when these do.
 */
async function listImages(deps: LeftoverDeps, signal: AbortSignal): Promise<Leftover[]> {
  const list = (filters: Record<string, string[]>) =>
    quick(signal, "list images", (abortSignal) =>
      deps.docker.listImages({ filters: JSON.stringify(filters), abortSignal }),
    );
  const names = Object.values(IMAGE_TAGS);
  const [dangling, tagged] = await Promise.all([
    list({ label: [IMAGE_LABEL], dangling: ["true"] }),
    list({ reference: names }),
  ]);
  const isOurs = (tag: string) => names.some((name) => tag.startsWith(`${name}:`));
  const ids = [
    ...dangling.map(({ Id }) => Id),
    ...tagged.flatMap(({ RepoTags }) => (RepoTags ?? []).filter(isOurs)),
  ];
  const found = await fewAtATime(ids, async (id) => {
    const usedAt = await lastUseOf(deps, id, signal);
    if (usedAt === undefined || deps.now() < endOf(deps, id, usedAt)) return [];
    return [leftoverOf("image", id, usedAt)(undefined)];
  });
  return found.flat();
}

function endOf({ imageTtlMs }: LeftoverDeps, id: string, usedAt: number): number {
  return keptUntil(id) ?? usedAt + imageTtlMs;
}

function leftoverOf(kind: Leftover["kind"], id: string, createdAt: number) {
  return (labels: Labels): Leftover => ({
    kind,
    id,
    workerId: labels?.[LABEL.worker],
    jobId: labels?.[LABEL.job],
    attempt: labels?.[LABEL.attempt] === undefined ? undefined : Number(labels[LABEL.attempt]),
    createdAt,
  });
}

const REMOVE = {
  container: (deps, id, signal) => removeContainer(deps.docker.getContainer(id), signal),
  network: removeNetwork,
  volume: removeVolume,
  image: removeImage,
} satisfies Record<
  Leftover["kind"],
  (deps: DockerDeps, id: string, signal: AbortSignal) => Promise<void>
>;

export async function removeLeftover(
  deps: DockerDeps,
  { kind, id, isOver = false }: Leftover,
  signal: AbortSignal,
): Promise<void> {
  if (kind === "container" && isOver) await removeWithVolumes(deps, id, signal);
  else await REMOVE[kind](deps, id, signal);
}

/** A kept container's volumes say nothing of their time: they go with it, but for those in use. */
async function removeWithVolumes(deps: DockerDeps, id: string, signal: AbortSignal): Promise<void> {
  const container = deps.docker.getContainer(id);
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  const held = await heldVolumes(deps, found === undefined ? [] : [found], signal);
  await removeContainer(container, signal);
  // The overlay first, then what it lies on.
  for (const name of held) {
    await removeVolume(deps, name, signal).catch((err: unknown) => {
      if (!(err instanceof InfraFault) || statusOf(err.cause) !== 409) throw err;
    });
  }
}

async function removeVolume({ docker }: DockerDeps, name: string, signal: AbortSignal) {
  await removal(signal, "remove a volume", (abortSignal) =>
    docker.getVolume(name).remove({ abortSignal }),
  );
}

async function removal(
  signal: AbortSignal,
  doing: string,
  run: (abortSignal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  await callOrNothing({ doing, deadlineMs: DEADLINE_MS.heavy, signal }, run);
}

function quick<T>(
  signal: AbortSignal,
  doing: string,
  run: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  return call({ doing, deadlineMs: DEADLINE_MS.quick, signal }, run);
}
