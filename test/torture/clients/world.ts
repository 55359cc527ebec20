import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { makeRpms } from "../../support/make-rpm.ts";
import type { RpmWish } from "../../support/make-rpm.ts";
import { makeSeeds, writeManyRpms } from "../../support/many-rpms.ts";
import { startYum } from "../../support/start-yum.ts";
import type { Yum } from "../../support/start-yum.ts";
import { madePackages } from "../yum/made-packages.ts";

/** Channels of every kind that Tatara serves, with what they list, for clients to be tried on. */
export interface World extends AsyncDisposable {
  readonly yum: Yum;
  /** What the channel with layers lists, sorted; empty: there is none. */
  readonly large: readonly string[];
  /** Publishes to a channel: what one spec makes, for a target. Throws unless it is live. */
  publish(wish: RpmWish, options?: PublishOptions): Promise<void>;
  /** `POST /api/changes`; throws unless it is live. */
  change(request: object): Promise<void>;
  /** Waits for what an answer of 202 began. */
  settled(begun: { readonly publishId: string | null }): Promise<void>;
}

export interface PublishOptions {
  readonly channel?: string;
  readonly target?: string;
  readonly errata?: string;
}

export interface WorldOptions {
  readonly keysDir?: string;
  readonly keep?: boolean;
  /** Packages of the channel with layers, which has them from 2,048 on; 0: there is none. */
  readonly large: number;
}

export const X86 = "el9.x86_64";
export const ARM = "el9.aarch64";
export const EL8 = "el8.x86_64";
/** Several targets, siblings, errata, groups, modules. */
export const MANY_TARGETS = "dev";
/** One target, in zstd frames. */
export const FRAMES = "frames";
/** One target with layers. */
export const LARGE = "large";
/** Packages of `large` that can be installed: the others have a name patched into them. */
const REAL_PACKAGES = 40;
const WAIT_MS = 120_000;
const POLL_MS = 50;

/** What a host of `el9.x86_64` sees in `dev`: `name-[epoch:]version-release.arch`, sorted. */
export const LISTED = [
  "epoch-3:1.0-1.noarch",
  "hello-1.0-1.noarch",
  "hello-1.1-1.noarch",
  "native-1.0-1.x86_64",
  "odd+name-1.0~rc1^2.gab-1.noarch",
  "tool-1.0-1.noarch",
  "tool-1.1-1.noarch",
] as const;

export async function startWorld(options: WorldOptions): Promise<World> {
  const yum = await startYum({
    ...(options.keysDir === undefined ? {} : { keysDir: options.keysDir }),
    keep: options.keep ?? false,
  });
  try {
    const world = worldOn(yum);
    await publishMany(world);
    await publishFrames(world);
    return { ...world, large: options.large === 0 ? [] : await importLarge(world, options.large) };
  } catch (err) {
    await yum[Symbol.asyncDispose]();
    throw err;
  }
}

function worldOn(yum: Yum): World {
  let specs = 0;
  return {
    yum,
    large: [],
    publish: async (wish, { channel = MANY_TARGETS, target = X86, errata } = {}) => {
      const folder = join(yum.dir, "made", String((specs += 1)));
      await mkdir(folder, { recursive: true });
      const packages = [];
      for (const { fileName, bytes } of await makeRpms(wish)) {
        const path = join(folder, fileName);
        await writeFile(path, bytes);
        packages.push({ path, target });
      }
      const build = { repo: `acme/${wish.name.replace("+", "-")}`, channel, packages };
      const { buildId } = await yum.builds.finish({ ...build, errata: errata ?? null });
      const end = await yum.builds.final(buildId, WAIT_MS);
      if (end.state !== "passed") throw new Error(`${wish.name}: ${JSON.stringify(end)}`);
    },
    change: async (request) => {
      const { state, reason } = await yum.api<{ state: string; reason: string }>("/api/changes", {
        json: request,
      });
      if (state !== "live") throw new Error(`${JSON.stringify(request)}: ${state}, ${reason}`);
    },
    settled: async ({ publishId }) => {
      if (publishId === null) return;
      for (const until = performance.now() + WAIT_MS; performance.now() < until;) {
        const { state, reason } = await yum.api<{ state: string; reason: string }>(
          `/api/changes/${publishId}`,
        );
        if (state === "live") return;
        if (!["queued", "running"].includes(state)) throw new Error(`${state}: ${reason}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      throw new Error(`${publishId} was not live after ${WAIT_MS} ms.`);
    },
    [Symbol.asyncDispose]: () => yum[Symbol.asyncDispose](),
  };
}

async function publishMany(world: World): Promise<void> {
  const debuginfo = [
    "%package debuginfo",
    "Summary: Debug information",
    "%description debuginfo",
    "For tests.",
    "%files debuginfo",
  ];
  await world.publish({ name: "hello", sections: debuginfo });
  await world.publish({ name: "other", arch: "aarch64" }, { target: ARM });
  await world.publish({ name: "native", arch: "x86_64" });
  await world.publish({ name: "old" }, { target: EL8 });
  await world.publish({ name: "tool", preamble: ["Requires: hello"] });
  await world.publish({ name: "epoch", epoch: 3, summary: '<é> & "ü" it\'s' });
  await world.publish({ name: "odd+name", version: "1.0~rc1^2.gab" });
  await world.publish({ name: "hello", version: "1.1" }, { errata: SECURITY });
  await world.publish({ name: "tool", version: "1.1" }, { errata: BUGFIX });
  await putExtra(world, "group", COMPS);
  await putExtra(world, "modules", MODULES);
}

async function putExtra({ yum, settled }: World, type: string, text: string): Promise<void> {
  const response = await fetch(`${yum.url}/api/channels/dev/${X86}/extras/${type}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${yum.adminToken}`, "content-type": "text/plain" },
    body: text,
  });
  const begun = (await response.json()) as { publishId: string };
  if (!response.ok) throw new Error(`extras: ${JSON.stringify(begun)}`);
  await settled(begun);
}

async function publishFrames({ yum, publish, settled }: World): Promise<void> {
  const json = { name: FRAMES, settings: { compression: "zstd" } };
  await settled(await yum.api<{ publishId: string | null }>("/api/channels", { json }));
  for (const version of ["1.0", "1.1"]) {
    await publish({ name: "framed", version }, { channel: FRAMES });
  }
}

/** A folder of packages is imported; what is published afterwards is in the updates layer. */
async function importLarge(
  { yum, publish, settled }: World,
  count: number,
): Promise<readonly string[]> {
  const folder = join(yum.dir, "imported");
  await mkdir(folder, { recursive: true });
  const real = await madePackages(folder, REAL_PACKAGES);
  const many = { into: { folder }, count: count - REAL_PACKAGES };
  const patched = await writeManyRpms(await makeSeeds(), many);
  const made = await yum.api<{ publishId: string | null }>("/api/channels", {
    json: { name: LARGE },
  });
  await settled(made);
  const json = { target: X86, folder };
  await settled(await yum.api(`/api/channels/${LARGE}/import`, { json }));
  await publish({ name: "update" }, { channel: LARGE });
  const names = real.map((path) => basename(path, ".rpm"));
  return [...names, ...patched.map(({ nevra }) => nevra), "update-1.0-1.noarch"].toSorted();
}

const SECURITY = `- id: ACME-2026-0001
  type: security
  severity: important
  title: "hello: heap overflow in the parser & more"
  description: A crafted greeting wrote past the end of a buffer.
  packages: [hello]
  cves: [CVE-2026-1234]
  references: [https://example.com/advisories/1]
`;

const BUGFIX = `- id: ACME-2026-0002
  type: bugfix
  title: "tool: faster"
  packages: [tool]
`;

export const COMPS = `<?xml version="1.0" encoding="UTF-8"?>
<comps><group><id>greeters</id><name>Greeters</name><description>They greet</description>
<default>false</default><uservisible>true</uservisible>
<packagelist><packagereq type="mandatory">hello</packagereq></packagelist>
</group></comps>
`;

const MODULES = `---
document: modulemd
version: 2
data:
  name: greeting
  stream: "1"
  version: 20260101
  context: deadbeef
  arch: x86_64
  summary: Greetings
  description: Greetings, as a module.
  license:
    module: [MIT]
  artifacts:
    rpms: [greeting-0:1.0-1.x86_64]
...
`;
