import { mkdtemp, readdir, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPackage } from "../../../workers/publish/import/read-package.ts";
import { openReaders } from "../../../workers/publish/import/readers.ts";

const DYING = new URL("../../fixtures/dying-reader.ts", import.meta.url);

test("a reader that ends fails what it was asked, then and later, and can be closed", async () => {
  const readers = openReaders(1, DYING);
  const read = () => readers.read("/x.rpm", "el9.x86_64");

  await expect(read()).rejects.toThrow("A reader ended.");
  await expect(read()).rejects.toThrow("A reader ended.");
  await readers.close();
});

test("a file that is refused is not read on: a thread that ends while it reads takes the process with it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tatara-readers-"));
  const path = join(folder, "large.rpm");
  await writeFile(path, "");
  await truncate(path, 512 * 2 ** 20);

  const outcome = await readPackage(path, "el9.x86_64");

  const fds = await readdir("/proc/self/fd");
  const open = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")));
  await rm(folder, { recursive: true });
  expect(outcome).toMatchObject({ kind: "refused", why: "The file is not an RPM." });
  expect(open).not.toContain(path);
});
