import { pbkdf2 } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { yumLayout } from "../../../src/yum/layout.ts";
import { heldPackages } from "../../../workers/publish/held-packages.ts";
import { sweep } from "../../../workers/publish/kinds/sweep.ts";
import { openNeeds } from "../../../workers/publish/sweep/read-kept.ts";
import { openTurns } from "../../../workers/publish/turns.ts";

const derive = promisify(pbkdf2);
const PACKAGE = { sha256: "ab".repeat(32), fileName: "hello-1.0-1.noarch.rpm" };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-sweep-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A sweep that is told to drop one package of a pool that has just this one. */
async function sweepOne(name: string, has: (path: string) => boolean) {
  const layout = yumLayout(join(folder, name));
  const path = layout.package(PACKAGE);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "an RPM");
  const staging = join(layout.staging, "sweep-1");
  await mkdir(staging, { recursive: true });
  const grant = { keep: [], dropPackages: [PACKAGE], graceMs: -60_000, dryRun: false };
  const publish = {
    grant,
    layout,
    folder: staging,
    held: { has: () => has(path) },
    turns: openTurns(() => Promise.resolve()),
    engine: { uses: () => false },
    earliest: Date.now,
  };
  const report = await sweep(publish as never, new AbortController().signal);
  return { report, isThere: existsSync(path) };
}

test("a package that is held by one of two attempts of a publish is held", () => {
  const held = heldPackages();
  const [first, second] = [held.open(), held.open()];
  first.add(PACKAGE.sha256);
  second.add(PACKAGE.sha256);

  first.release();
  const isHeld = held.has(PACKAGE.sha256);
  second.release();

  expect(isHeld).toBe(true);
  expect(held.has(PACKAGE.sha256)).toBe(false);
});

test("what is held is not swept", async () => {
  const { report, isThere } = await sweepOne("held", () => true);

  expect(report).toEqual([]);
  expect(isThere).toBe(true);
});

test("whoever holds a package after the sweep has looked does not find it any more", async () => {
  let found: boolean | undefined;
  // All threads are busy, so what is not done in the same turn of the loop is done later.
  const busy: Promise<Buffer>[] = [];

  const { report } = await sweepOne("late", (path) => {
    for (let i = 0; i < 16; i += 1) busy.push(derive("x", "y", 20_000, 64, "sha512"));
    queueMicrotask(() => {
      found = existsSync(path);
    });
    return false;
  });

  await Promise.all(busy);
  expect(report).toHaveLength(1);
  expect(found).toBe(false);
});

test("a number above the heads is looked at again: another generation may have it by now", async () => {
  const layout = yumLayout(join(folder, "again"));
  const { needs, add } = openNeeds(layout, new Map([["dev", 1]]));
  const { signal } = new AbortController();
  const write = async (number: number, sha256: string): Promise<void> => {
    await mkdir(layout.generation("dev", number), { recursive: true });
    const targets = { "el9.x86_64": { since: number, packages: [{ sha256 }] } };
    const path = join(layout.generation("dev", number), "generation.json");
    await writeFile(path, JSON.stringify({ targets }));
  };
  const both = [1, 2].map((number) => ({ channel: "dev", number }));
  for (const number of [1, 2]) await write(number, `staged ${number}`);
  await add(both, signal);

  await write(2, "live 2");
  await add(both, signal);

  expect([...needs.packages]).toEqual(["staged 1", "staged 2", "live 2"]);
});

test("a generation that was dropped while it was looked at needs nothing; one that is damaged is a doubt", async () => {
  const layout = yumLayout(join(folder, "needs"));
  const { needs, add } = openNeeds(layout, new Map([["dev", 2]]));
  const { signal } = new AbortController();
  await mkdir(layout.generation("dev", 2), { recursive: true });

  await add([{ channel: "dev", number: 1 }], signal);

  expect(needs.generations.size).toBe(0);
  await expect(add([{ channel: "dev", number: 2 }], signal)).rejects.toThrow("Nothing was deleted");
});
