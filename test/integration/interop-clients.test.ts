import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeKeyFile } from "../support/key-folder.ts";
import { makeKeysDir } from "../support/publish-rig.ts";
import { runShell } from "../torture/clients/debian-root.ts";
import { hostClient } from "../torture/clients/package-client.ts";
import { provePrograms } from "../torture/clients/readers.ts";
import { ABILITIES } from "../torture/clients/scenario.ts";
import { fetchServed } from "../torture/clients/served-files.ts";
import { startWorld } from "../torture/clients/world.ts";
import type { World } from "../torture/clients/world.ts";

/**
 * What `npm run torture -- --suite clients` proves for newer clients, for those of this machine; of
 * dnf what no other test shows. Layers need more packages than a short test makes.
 */
const PROVED = {
  dnf4: /^(?:subscribes|shows advisories|refuses)/,
  zypper: /^(?!reads layers|lists every)/,
};

let folder: string;
let keys: Awaited<ReturnType<typeof makeKeysDir>>;
let world: World;
let otherKey: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-interop-clients-"));
  keys = await makeKeysDir();
  world = await startWorld({ ...keys, large: 0 });
  const other = await makeKeyFile(folder, { name: "Another" });
  otherKey = await readFile(other.public, "utf8");
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  await keys?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe.each(["dnf4", "zypper"] as const)("%s", (kind) => {
  const abilities = ABILITIES.filter(
    ({ title, of }) => PROVED[kind].test(title) && (of === undefined || of.includes(kind)),
  );

  test.concurrent.each(abilities)("$title", async ({ title, prove }) => {
    const root = join(folder, `${kind}-${title.replaceAll(/\W+/g, "-")}`);
    const client = await hostClient(root, kind);

    expect(await prove({ client, world, otherKey })).toBeUndefined();
  });
});

test("createrepo_c, mergerepo_c, modifyrepo_c, Python and rpmkeys read all that is served", async () => {
  const served = join(folder, "served");
  const targets = await fetchServed(world, served);
  const scratch = await mkdtemp(join(folder, "scratch-"));
  const readers = {
    title: "this machine",
    readsZstd: false,
    folder: served,
    scratch,
    run: (line: string) => runShell(["bash", "-c", line], line),
  };

  const key = join(world.yum.dataDir, "yum/keys/tatara.asc");
  const problems = await provePrograms(readers, targets, key);

  expect(targets.map(({ place }) => place)).toContain("dev/el9.x86_64-source");
  expect(problems).toEqual([]);
});
