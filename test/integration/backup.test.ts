import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { holdData } from "../../src/shared/data-lock.ts";
import { dnfClient } from "../support/dnf-client.ts";
import { makeRpms } from "../support/make-rpm.ts";
import { tataraAt } from "../support/run-tatara.ts";
import { startYum, type Yum } from "../support/start-yum.ts";

const TARGET = "debian12.x86_64";
let folder: string;
let yum: Yum;
/** Taken while `hello-1.0` was live and publishes went on. */
let first: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-backup-"));
  yum = await startYum();
  await publish(yum, "hello", "1.0");
  const stop = new AbortController();
  const load = publishUntil(yum, stop.signal);
  first = await takeBackup(yum.dataDir);
  stop.abort();
  await load;
}, 120_000);
afterAll(async () => {
  await (yum as Yum | undefined)?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const at = (dataDir: string, args: readonly string[]) =>
  tataraAt({ url: "http://127.0.0.1:9", adminToken: "" })(args, {
    env: { TATARA_DATA_DIR: dataDir },
  });

async function takeBackup(dataDir: string): Promise<string> {
  const { code, stdout, stderr } = await at(dataDir, ["backup", join(folder, "backups")]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("lock it away") });
  return stdout.trim();
}

let made = 0;
async function publish(into: Yum, name: string, version: string): Promise<number> {
  const dir = join(folder, `rpms-${(made += 1)}`);
  await mkdir(dir);
  const packages = [];
  for (const { fileName, bytes } of await makeRpms({ name, version })) {
    await writeFile(join(dir, fileName), bytes);
    packages.push({ path: join(dir, fileName), target: TARGET });
  }
  const { buildId } = await into.builds.finish({ channel: "dev", packages });
  expect(await into.builds.final(buildId)).toMatchObject({ state: "passed" });
  return (await into.api<{ head: number }>("/api/channels/dev")).head;
}

async function publishUntil(into: Yum, stop: AbortSignal): Promise<void> {
  for (let number = 1; !stop.aborted; number += 1) await publish(into, "busy", `${number}.0`);
}

/** Everything below a folder, with its mode. */
async function modesBelow(path: string): Promise<ReadonlyMap<string, number>> {
  const names = await readdir(path, { recursive: true, withFileTypes: true });
  const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const pairs = files.map(async (one) => [one, (await stat(one)).mode & 0o777] as const);
  return new Map(await Promise.all(pairs));
}

test("a backup that was taken under load is whole and is readable by its owner alone", async () => {
  const check = await at(folder, ["restore", "--check", first]);

  expect(check).toMatchObject({ code: 0 });
  expect(check.stdout).toMatch(/ files of 20.*, all whole\n$/);
  expect((await stat(first)).mode & 0o777).toBe(0o700);
  const modes = await modesBelow(first);
  for (const secret of ["secret-key", "tatara.db", "manifest.jsonl", "keys/rotation.json"]) {
    expect([secret, modes.get(join(first, secret))]).toEqual([secret, 0o600]);
  }
  const kept = await readdir(first);
  for (const one of ["redis", "cache", "worker", "log", "server.lock", "server.pid"]) {
    expect(kept).not.toContain(one);
  }
});

test("the next backup reads only what is new", async () => {
  await takeBackup(yum.dataDir);
  const json = await at(yum.dataDir, ["backup", join(folder, "backups"), "--json"]);
  const second = JSON.parse(json.stdout) as { files: number; linkedFiles: number; folder: string };

  // The database, the keys and their public side: they are replaced in place.
  expect(second.files - second.linkedFiles).toBeLessThan(20);
  expect(second.linkedFiles).toBeGreaterThan(20);
  expect((await at(folder, ["restore", "--check", second.folder])).code).toBe(0);
  // The older one does not need the newer one, nor the other way round.
  for (const name of await readdir(join(folder, "backups"))) {
    if (join(folder, "backups", name) !== first)
      await rm(join(folder, "backups", name), { recursive: true });
  }
  expect((await at(folder, ["restore", "--check", first])).code).toBe(0);
});

test("restored in an empty folder it serves hosts, and new numbers are above all old ones", async () => {
  const dataDir = join(folder, "fresh");
  const restored = await at(dataDir, ["restore", join(folder, "backups")]);
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.stdout).toContain("dev at generation ");

  await using again = await startYum({ prepare: (dir) => cp(dataDir, dir, { recursive: true }) });
  const { head } = await again.api<{ head: number }>("/api/channels/dev");
  const last = await publish(again, "after", "1.0");
  await using client = await dnfClient({ repoUrl: `${again.url}/yum/dev.repo` });
  const installed = await client.install("hello", "after");

  expect(installed, installed.output).toMatchObject({ code: 0 });
  expect(last).toBe(head + 1_001);
  const keyBefore = await readFile(join(yum.dataDir, "yum", "keys", "tatara.asc"), "utf8");
  expect(await (await fetch(`${again.url}/yum/keys/tatara.asc`)).text()).toBe(keyBefore);
});

test("a folder with anything in it is left alone, and so is one byte that is not what it was", async () => {
  const running = await at(yum.dataDir, ["restore", first]);
  expect(running.code).toBe(2);
  expect(running.stderr).toContain(`(process ${yum.serverPid}): stop it first`);
  const full = join(folder, "full");
  await cp(first, full, { recursive: true });
  const taken = await at(full, ["restore", first]);
  expect(taken.code).toBe(2);
  expect(taken.stderr).toMatch(/is not empty: it has /);

  const copy = join(folder, "damaged");
  await cp(first, copy, { recursive: true });
  const [rpm = ""] = [...(await modesBelow(join(copy, "yum", "pool"))).keys()];
  await appendFile(rpm, "x");
  const dataDir = join(folder, "never");
  const refused = await at(dataDir, ["restore", copy]);

  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("The backup is damaged: yum/pool/");
  expect(await readdir(dataDir)).not.toContain("tatara.db");
  await expect(
    startYum({ prepare: (dir) => cp(dataDir, dir, { recursive: true }) }),
  ).rejects.toThrow();
  // The same folder takes a good one.
  expect((await at(dataDir, ["restore", first])).code).toBe(0);
});

test("a restore that was cut short goes on with no other backup, and not beside another restore", async () => {
  const dataDir = join(folder, "cut-short");
  await mkdir(dataDir);
  const mark = join(dataDir, "restore-unfinished");
  await writeFile(mark, "/srv/backup/other\n2026-01-01T00:00:00.000Z\n");
  const mixed = await at(dataDir, ["restore", first]);
  expect(mixed.code).toBe(2);
  expect(mixed.stderr).toContain("half restored from another backup, /srv/backup/other");

  await rm(mark);
  const other = holdData(dataDir);
  const beside = await at(dataDir, ["restore", first]);
  other?.release();
  expect(beside.code).toBe(2);
  expect(beside.stderr).toContain(`Another restore, or a server, uses ${dataDir}`);

  expect((await at(dataDir, ["restore", first])).code).toBe(0);
});

test("beside newer packages nothing is lost: they are named, imported again, numbers go on", async () => {
  const newest = await publish(yum, "newer", "3.0");
  const dataDir = join(folder, "beside");
  await mkdir(dataDir);
  await cp(join(yum.dataDir, "yum"), join(dataDir, "yum"), { recursive: true });

  expect((await at(dataDir, ["restore", first])).stderr).toContain("--beside-yum");
  const restored = await at(dataDir, ["restore", first, "--beside-yum"]);
  expect(restored).toMatchObject({ code: 0 });
  expect(restored.stdout).toContain("newer-3.0-1.noarch");

  await using again = await startYum({
    prepare: (dir) => cp(dataDir, dir, { recursive: true }),
  });
  const recovered = join(again.dataDir, "yum", "recovered", "dev", TARGET);
  const words = ["channel", "import", "dev", recovered, "--target", TARGET, "--yes"];
  const brought = await tataraAt(again)(words);

  expect(brought, brought.stderr).toMatchObject({ code: 0 });
  expect((await again.api<{ head: number }>("/api/channels/dev")).head).toBeGreaterThan(newest);
  await using client = await dnfClient({ repoUrl: `${again.url}/yum/dev.repo` });
  const installed = await client.install("hello", "newer");
  expect(installed, installed.output).toMatchObject({ code: 0 });
});
