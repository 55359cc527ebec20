import { link, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { FRAMES, LARGE, MANY_TARGETS } from "./world.ts";
import type { World } from "./world.ts";

/** A target as it is served, with all its files in a folder, as a mirror would have it. */
export interface ServedTarget {
  /** `dev/el9.x86_64`, also its folder below the root of all. */
  readonly place: string;
  readonly compression: "gzip" | "zstd";
  readonly nevras: readonly string[];
}

const FETCHES = 16;

/** Fetches every target of every channel, layers included, with its packages. */
export async function fetchServed(world: World, folder: string): Promise<readonly ServedTarget[]> {
  const stored = new Map<string, Promise<string>>();
  const targets: ServedTarget[] = [];
  for (const channel of [MANY_TARGETS, FRAMES, ...(world.large.length > 0 ? [LARGE] : [])]) {
    for (const target of await targetsOf(world, channel)) {
      targets.push(await fetchTarget({ world, folder, stored }, `${channel}/${target}`));
    }
  }
  return targets;
}

async function targetsOf({ yum }: World, channel: string): Promise<readonly string[]> {
  const { targets } = await yum.api<{ targets: { name: string }[] }>(`/api/channels/${channel}`);
  const names = targets.map(({ name }) => name);
  if (channel !== LARGE) return names;
  return names.flatMap((name) =>
    name.endsWith("-source") ? [name] : [name, `${name}-base`, `${name}-updates`],
  );
}

interface Fetching {
  readonly world: World;
  readonly folder: string;
  /** Where the bytes of an address are, so that each package is fetched once. */
  readonly stored: Map<string, Promise<string>>;
}

async function fetchTarget(fetching: Fetching, place: string): Promise<ServedTarget> {
  const { world, folder } = fetching;
  const to = join(folder, place);
  const address = `${world.yum.url}/yum/${place}/`;
  const index = (
    await store(`${address}repodata/repomd.xml`, join(to, "repodata/repomd.xml"))
  ).toString();
  await store(`${address}repodata/repomd.xml.asc`, join(to, "repodata/repomd.xml.asc"));
  let primary = "";
  for (const [, path = ""] of index.matchAll(/<location href="([^"]+)"/g)) {
    const bytes = await store(address + path, join(to, path));
    if (!path.includes("-primary.")) continue;
    primary = path.endsWith(".zst") ? unframe(bytes) : gunzipSync(bytes).toString();
  }
  const listed = [...primary.matchAll(PACKAGE)].map(
    ([, name, arch, epoch, version, release, href]) => ({
      nevra: `${name}-${epoch}:${version}-${release}.${arch}`,
      href: href ?? "",
    }),
  );
  await inLanes(listed, async ({ href }) => {
    const known = fetching.stored.get(href);
    const path = join(to, href);
    if (known === undefined) {
      const storing = store(address + href, path).then(() => path);
      fetching.stored.set(href, storing);
      await storing;
    } else {
      await mkdir(dirname(path), { recursive: true });
      await link(await known, path);
    }
  });
  const nevras = listed.map(({ nevra }) => nevra).toSorted();
  return { place, compression: index.includes(".zst") ? "zstd" : "gzip", nevras };
}

/** Node stops after the first frame. */
function unframe(bytes: Buffer): string {
  const starts: number[] = [];
  for (let at = bytes.indexOf(ZSTD_MAGIC); at !== -1; at = bytes.indexOf(ZSTD_MAGIC, at + 1)) {
    starts.push(at);
  }
  const frames = starts.map((start, i) => zstdDecompressSync(bytes.subarray(start, starts[i + 1])));
  return Buffer.concat(frames).toString();
}

const ZSTD_MAGIC = Buffer.from("28b52ffd", "hex");
const PACKAGE =
  /<package type="rpm">[\s\S]*?<name>([^<]+)<\/name>\s*<arch>([^<]+)<\/arch>\s*<version epoch="([^"]+)" ver="([^"]+)" rel="([^"]+)"\/>[\s\S]*?<location href="([^"]+)"/g;

async function store(address: string, path: string): Promise<Buffer> {
  const response = await fetch(address);
  if (response.status !== 200) throw new Error(`${address}: ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return bytes;
}

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: FETCHES }, lane));
}
