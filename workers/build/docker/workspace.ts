import { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { pack } from "tar-stream";
import { getArchive, putArchive } from "./archive.ts";
import { DEADLINE_MS, make, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { createIdleContainer } from "./container.ts";
import { labelsOf, nameOf } from "./names.ts";
import { findUser } from "./users.ts";
import type { ImageUser, KnownUsers } from "./users.ts";
import type { CreateWorkspaceOptions, Owner, WorkspaceHandle } from "../engine.ts";

const FILES_PATH = "/tatara-files";

/**
 * A seed volume with the commit's tree, and for each step an overlay volume over it: every step sees
 * the tree as it was pushed, for the price of a mount. No container runs for this.
 */
export async function createWorkspace(
  deps: DockerDeps & { readonly knownUsers: KnownUsers },
  options: CreateWorkspaceOptions,
  signal: AbortSignal,
): Promise<WorkspaceHandle> {
  const { owner, steps } = options;
  const [seed, scratch] = await Promise.all([
    createVolume(deps, part(owner, "seed"), {}, signal),
    createVolume(deps, part(owner, "scratch"), {}, signal),
  ]);
  const views = Promise.all(
    steps.map(async (step, index) => {
      const overlay = overlayOptions(seed.Mountpoint, scratch.Mountpoint, index);
      const view = await createVolume(deps, part(owner, `view-${step}`), overlay, signal);
      return [step, view.Name] as const;
    }),
  );
  const [{ user, folders }, names] = await Promise.all([
    fill(deps, options, { seed: seed.Name, scratch: scratch.Name }, signal),
    views,
  ]);

  const changesOf = (step: string, until: AbortSignal) =>
    getArchive(folders, `${FILES_PATH}/upper${steps.indexOf(step)}`, until);
  return { volumeFor: (step) => volumeOf(step, new Map(names)), changesOf, ...user };
}

function part(owner: Owner, suffix: string): Owner {
  return { ...owner, step: `${owner.step}-${suffix}` };
}

function volumeOf(step: string, views: ReadonlyMap<string, string>): string {
  const name = views.get(step);
  if (name === undefined) throw new Error(`The workspace was made without the step "${step}".`);
  return name;
}

/**
 * Through containers that never run. They are two, because the engine takes one archive at a time
 * for each; and they stay until the attempt's things are removed, as removing them only costs time.
 */
async function fill(
  deps: DockerDeps & { readonly knownUsers: KnownUsers },
  { owner, image, tree, steps }: CreateWorkspaceOptions,
  volumes: { readonly seed: string; readonly scratch: string },
  signal: AbortSignal,
): Promise<{ readonly user: ImageUser; readonly folders: Dockerode.Container }> {
  const open = (name: string, volume: string) => {
    const spec = { owner: part(owner, name), imageId: image.id, volumes: { [volume]: FILES_PATH } };
    return createIdleContainer(deps, spec, signal);
  };
  const [forTree, forFolders] = await Promise.all([
    open("tree", volumes.seed),
    open("folders", volumes.scratch),
  ]);
  const user = await findUser(deps.knownUsers, image, forTree, signal);
  await Promise.all([
    putArchive(forTree, tree(user), FILES_PATH, signal),
    putArchive(forFolders, overlayFolders(steps.length, user), FILES_PATH, signal),
  ]);
  return { user, folders: forFolders };
}

/**
 * The engine names a volume idempotently, so one that an earlier life of this attempt left would
 * bring its old files along: it is removed first.
 */
async function createVolume(
  deps: DockerDeps,
  owner: Owner,
  DriverOpts: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Dockerode.VolumeInspectInfo> {
  const options = { doing: "create a volume", deadlineMs: DEADLINE_MS.heavy, signal };
  return make(deps, options, async (abortSignal) => {
    const { docker } = deps;
    const Name = nameOf(owner);
    await docker.getVolume(Name).remove({ abortSignal }).catch(ignoreMissing);
    const body = { Name, Labels: labelsOf(owner), DriverOpts, abortSignal };
    const volume = await docker.createVolume(body);
    return volume.inspect({ abortSignal });
  });
}

function ignoreMissing(err: unknown): void {
  if (statusOf(err) !== 404) throw err;
}

function overlayOptions(seed: string, scratch: string, index: number): Record<string, string> {
  const folders = `upperdir=${scratch}/upper${index},workdir=${scratch}/work${index}`;
  return { type: "overlay", device: "overlay", o: `lowerdir=${seed},${folders}` };
}

/** The upper folder becomes the workspace's own root, so it belongs to the user of the steps. */
function overlayFolders(count: number, { uid, gid }: ImageUser): Readable {
  const tar = pack();
  for (let index = 0; index < count; index += 1) {
    tar.entry({ name: `upper${index}`, type: "directory", mode: 0o755, uid, gid });
    tar.entry({ name: `work${index}`, type: "directory", mode: 0o700 });
  }
  tar.finalize();
  return Readable.from(tar);
}
