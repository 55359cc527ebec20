import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { makeSeeds, writeManyRpms } from "../support/many-rpms.ts";
import { serveEngine } from "../support/served-engine.ts";
import type { ServedEngine } from "../support/served-engine.ts";
import { makeEngineKeys, startYumEngine } from "../support/yum-engine-rig.ts";
import type { YumEngineRig } from "../support/yum-engine-rig.ts";

const TARGET = "el9.noarch";
/** Enough for layers. */
const PACKAGES = 2_200;
const COMPS = { target: TARGET, type: "group", text: "<comps/>\n" } as const;
let keys: Awaited<ReturnType<typeof makeEngineKeys>>;
let rig: YumEngineRig;
let packages: readonly ListedPackage[];
let server: ServedEngine;
let url: string;

beforeAll(async () => {
  keys = await makeEngineKeys();
  rig = await startYumEngine(keys);
  const into = { yumDir: rig.layout.yumDir };
  packages = await writeManyRpms(await makeSeeds(), { into, count: PACKAGES });
  await rig.publish({ add: { [TARGET]: packages.slice(0, 10) }, extras: [COMPS] });
  await rig.publish({ add: { [TARGET]: packages.slice(10, -5) } });
  await rig.engine.settled();
  await rig.publish({ add: { [TARGET]: packages.slice(-5) } });

  server = await serveEngine(rig, TARGET);
  url = server.url;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

async function bytesOf(address: string): Promise<Buffer> {
  const response = await fetch(address);
  if (response.status !== 200) throw new Error(`${address}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** Everything that the index at an address names is served below it as the index says. */
async function checkRepodata(base: string): Promise<readonly string[]> {
  const index = (await bytesOf(`${base}repodata/repomd.xml`)).toString();
  const entries = index.match(/<data type=[\s\S]*?<\/data>/g) ?? [];
  for (const entry of entries) {
    const href = /<location href="([^"]+)"/.exec(entry)?.[1] ?? "";
    const bytes = await bytesOf(`${base}${href}`);
    const sha256 = /<checksum type="sha256">([0-9a-f]+)/.exec(entry)?.[1];
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    expect(bytes.length).toBe(Number(/<size>(\d+)/.exec(entry)?.[1]));
  }
  expect((await bytesOf(`${base}repodata/repomd.xml.asc`)).toString()).toContain("PGP SIGNATURE");
  return entries.map((entry) => /type="([a-z_]+)"/.exec(entry)?.[1] ?? "").toSorted();
}

test.each([
  [TARGET, ["filelists", "group", "group_gz", "other", "primary"]],
  [`${TARGET}-base`, ["filelists", "other", "primary"]],
  [`${TARGET}-updates`, ["filelists", "group", "group_gz", "other", "primary"]],
])("what the engine made of %s is served as its index says", async (served, types) => {
  const mirror = (await bytesOf(`${url}/yum/dev/${served}/mirrorlist`)).toString().trim();

  expect(await checkRepodata(mirror)).toEqual(types);
  expect(await checkRepodata(`${url}/yum/dev/${served}/`)).toEqual(types);
});

test("its earlier generations stay at their addresses, and their packages at every one", async () => {
  const [first] = packages;
  if (first === undefined) throw new Error("There is no package.");

  expect(await checkRepodata(`${url}/yum/dev/${TARGET}/g/1/`)).toContain("primary");
  const file = `p/${first.sha256}/${first.fileName}`;
  const bytes = await bytesOf(`${url}/yum/dev/${TARGET}/g/2/${file}`);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(first.sha256);
});

test("a restored generation is served under its new number", async () => {
  const staged = await rig.restore("copy", { channel: "dev", number: rig.heads.get("dev") ?? 0 });
  rig.adopt(staged);

  for (const served of [TARGET, `${TARGET}-base`, `${TARGET}-updates`]) {
    const mirror = (await bytesOf(`${url}/yum/copy/${served}/mirrorlist`)).toString().trim();
    expect(mirror).toContain("/yum/copy/");
    expect(await checkRepodata(mirror)).toContain("primary");
  }
});
