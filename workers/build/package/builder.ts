import type { Readable } from "node:stream";
import type { Container, Image } from "../engine.ts";
import { firstFile } from "./archive-files.ts";
import type { BuilderFacts, PackageDeps, PackageRequest } from "./package-types.ts";

export interface Builder {
  readonly image: Image;
  /** What the packages are built for. */
  readonly target: string;
  /** For the log, when something had to be decided. */
  readonly note: string | null;
}

const RPMBUILD_PATHS = ["/usr/bin/rpmbuild", "/usr/local/bin/rpmbuild"] as const;
const OS_RELEASE_PATHS = ["/usr/lib/os-release", "/etc/os-release"] as const;
const OS_RELEASE_BYTES_MAX = 64 * 1024;

/** Where rpmbuild runs: `package.image`, else the project's image if it can, else the target's. */
export async function chooseBuilder(
  { plan, target }: Pick<PackageRequest, "plan" | "target">,
  deps: PackageDeps,
  signal: AbortSignal,
): Promise<Builder> {
  const factsOf = (image: Image) =>
    deps.images.facts(image, () => readBuilderFacts(image, deps, signal));
  if (plan.image !== null) {
    const image = await deps.images.planned(plan.image);
    return plan.isTargetFixed
      ? { image, target, note: null }
      : builderByRelease(image, await factsOf(image), target);
  }
  if (!plan.isTargetFixed) {
    const { project } = deps.images;
    const facts = await factsOf(project);
    if (facts.hasRpmbuild) return builderByRelease(project, facts, target);
  }
  return { image: await deps.images.builderOf(target), target, note: null };
}

function builderByRelease(image: Image, facts: BuilderFacts, target: string): Builder {
  const arch = target.slice(target.lastIndexOf(".") + 1);
  if (facts.distribution === null) {
    const note = `the image's os-release names no distribution that Tatara knows: building for ${target}`;
    return { image, target, note };
  }
  const found = `${facts.distribution}.${arch}`;
  const note =
    found === target ? null : `the image is ${facts.distribution}: building for ${found}`;
  return { image, target: found, note };
}

/** Facts of images, each looked up once while the process lives. */
export function builderMemory(): (
  image: Image,
  look: () => Promise<BuilderFacts>,
) => Promise<BuilderFacts> {
  const known = new Map<string, BuilderFacts>();
  return async (image, look) => {
    const facts = known.get(image.id) ?? (await look());
    if (known.size >= 1_000) known.clear();
    known.set(image.id, facts);
    return facts;
  };
}

async function readBuilderFacts(
  image: Image,
  { engine, owner, limits }: PackageDeps,
  signal: AbortSignal,
): Promise<BuilderFacts> {
  const container = await engine.createContainer(
    {
      owner: owner("PROBE"),
      image,
      command: ["true"],
      env: {},
      workingDir: "/",
      volumes: {},
      network: "none",
      privilege: "package",
      limits,
      gate: false,
    },
    signal,
  );
  try {
    return {
      hasRpmbuild: await hasAny(container, RPMBUILD_PATHS, signal),
      distribution: await readDistribution(container, signal),
    };
  } finally {
    // rpmbuild need not wait for that; what is left goes with everything else of the attempt.
    container.remove(signal).catch(() => undefined);
  }
}

async function hasAny(container: Container, paths: readonly string[], signal: AbortSignal) {
  for (const path of paths) {
    const found = await container.getArchive(path, signal);
    if (found === undefined) continue;
    (found as Readable).destroy();
    return true;
  }
  return false;
}

async function readDistribution(container: Container, signal: AbortSignal): Promise<string | null> {
  for (const path of OS_RELEASE_PATHS) {
    const archive = await container.getArchive(path, signal);
    if (archive === undefined) continue;
    const text = await firstFile(archive, OS_RELEASE_BYTES_MAX);
    // It may be a symbolic link to the other one.
    if (text !== undefined) return distributionOf(text.toString());
  }
  return null;
}

/** Distribution by the words of an os-release file; null for one that has no name of its own here. */
export function distributionOf(osRelease: string): string | null {
  const value = (key: string): string =>
    new RegExp(`^${key}=["']?([^"'\n]*)`, "m").exec(osRelease)?.[1] ?? "";
  const id = value("ID");
  const version = value("VERSION_ID");
  if (!/^\d+(?:\.\d+)*$/.test(version)) return null;
  const major = version.split(".")[0] ?? version;
  if (["rhel", "rocky", "almalinux", "centos"].includes(id)) return `el${major}`;
  if (id === "fedora") return `fedora-${major}`;
  return id === "debian" ? `debian${major}` : null;
}
