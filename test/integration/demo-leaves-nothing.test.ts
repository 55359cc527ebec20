import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ownFolder, removeAbandoned } from "../../src/cli/demo/abandoned.ts";
import { removeOwn } from "../../src/cli/demo/remove-own.ts";
import { engineApi } from "../../src/cli/engine-api.ts";
import {
  BASE_IMAGE,
  SOCKET_PATH,
  engine,
  never,
  openJob,
  runToEnd,
  tarOf,
} from "../support/engine-rig.ts";

const DOCKER_HOST = `unix://${SOCKET_PATH}`;

/** A failed step's container that is kept for a shell, with its volumes, and a network beside it. */
async function keepOne(workerId: string) {
  const image = await engine.findImage(BASE_IMAGE, never);
  const job = openJob(engine, image, workerId);
  const workspace = await engine.createWorkspace(
    {
      owner: job.owner("workspace"),
      image,
      steps: ["unit"],
      tree: (by) => tarOf({ "hello.txt": "pushed\n" }, by),
    },
    never,
  );
  const volumes = { [workspace.volumeFor("unit")]: "/workspace" };
  const { container } = await runToEnd(engine, job.spec("unit", ["false"], { volumes }));
  await container.keepUntil(Date.now() + 60_000, never);
  await engine.createNetwork(job.owner("network"), { egress: "none" }, never);
  return {
    async [Symbol.asyncDispose]() {
      await container.remove(never);
      await job[Symbol.asyncDispose]();
    },
  };
}

test("what the demo's worker kept goes with the demo's folder, and nobody else's", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-demo-own-"));
  const ours = `worker-${randomUUID().slice(0, 8)}`;
  const others = `worker-${randomUUID().slice(0, 8)}`;
  await mkdir(join(dataDir, "worker/build"), { recursive: true });
  await writeFile(join(dataDir, "worker/build/id"), `${ours}\n`);
  const api = engineApi(DOCKER_HOST, never);
  // The engine lists them in any order.
  const left = async (id: string) =>
    (await api.labelledThings(`dev.tatara.worker=${id}`)).toSorted((a, b) =>
      a.name.localeCompare(b.name),
    );
  try {
    await using _ours = await keepOne(ours);
    await using _others = await keepOne(others);
    const before = (await left(ours)).map(({ kind }) => kind);
    const theirs = await left(others);

    await removeOwn(dataDir, DOCKER_HOST);
    // A second time there is nothing to do.
    await removeOwn(dataDir, DOCKER_HOST);

    expect(new Set(before)).toEqual(new Set(["container", "volume", "network"]));
    expect(await left(ours)).toEqual([]);
    expect(await left(others)).toEqual(theirs);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("a killed demo's folder and what is its own go; a living demo's and a kept one stay", async () => {
  const parent = await mkdtemp(join(tmpdir(), "tatara-demos-"));
  const ids = new Map<string, string>();
  const folder = async (name: string, owner?: string) => {
    const dir = join(parent, `tatara-demo-${name}`);
    const id = `worker-${randomUUID().slice(0, 8)}`;
    ids.set(name, id);
    await mkdir(join(dir, "data/worker/build"), { recursive: true });
    await writeFile(join(dir, "data/worker/build/id"), `${id}\n`);
    if (owner !== undefined) await writeFile(join(dir, "owner"), owner);
    return dir;
  };
  const api = engineApi(DOCKER_HOST, never);
  const left = async (name: string) =>
    (await api.labelledThings(`dev.tatara.worker=${ids.get(name) ?? ""}`)).length;
  try {
    await ownFolder(await folder("living"));
    await folder("kept");
    // This number was given to another process since.
    await folder("killed", `${process.pid} 1\n`);
    await using _killed = await keepOne(ids.get("killed") ?? "");
    await using _living = await keepOne(ids.get("living") ?? "");
    const before = [await left("killed"), await left("living")];

    await removeAbandoned(parent, DOCKER_HOST, never);

    expect(await readdir(parent)).toEqual(["tatara-demo-kept", "tatara-demo-living"]);
    expect([await left("killed"), await left("living")]).toEqual([0, before[1]]);
    expect(before[0]).toBeGreaterThan(2);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
});
