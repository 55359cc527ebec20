import { createHash } from "node:crypto";
import { mkdtemp, open, readdir, rm, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, test, vi } from "vitest";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { openLogFiles } from "../../src/server/logs.ts";

const LOG = { buildId: "b-1", jobId: "j-1", attempt: 1, step: "unit" };

async function aFolder() {
  const dir = await mkdtemp(join(tmpdir(), "tatara-files-"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

test("a log that could not be opened once is appended to as soon as it can be", async () => {
  await using folder = await aFolder();
  const logs = openLogFiles(folder.dir);
  await writeFile(join(folder.dir, LOG.buildId), "in the way");
  await expect(logs.append(LOG, 0, Buffer.from("a"))).rejects.toThrow();
  await rm(join(folder.dir, LOG.buildId));

  const answer = await logs.append(LOG, 0, Buffer.from("a"));

  expect(answer).toEqual({ kind: "acknowledged", upToBytes: 1 });
  expect(await logs.sizeOf(LOG)).toBe(1);
  await logs.close();
});

test("the log of a lost step ends with a line that says so, whatever is sent after it", async () => {
  await using folder = await aFolder();
  const logs = openLogFiles(folder.dir);
  await logs.append(LOG, 0, Buffer.from("half a li"));

  const appending = logs.append(LOG, 9, Buffer.from("ne, and"));
  const size = await logs.endLost(LOG);
  await appending;
  await logs.endLost(LOG);
  const late = await logs.append(LOG, 16, Buffer.from(" far too late".repeat(9)));

  expect(late.kind).toBe("acknowledged");
  const text = Buffer.from(await logs.read(LOG, 0, 1_000)).toString();
  expect(text).toBe("half a line, and\n[tatara: worker lost here]\n");
  expect(size).toBe(text.length);
  await logs.close();
});

test("a step that was lost before it said anything has a log that says so", async () => {
  await using folder = await aFolder();
  const logs = openLogFiles(folder.dir);

  await logs.endLost(LOG);

  const text = Buffer.from(await logs.read(LOG, 0, 1_000)).toString();
  expect(text).toBe("[tatara: worker lost here]\n");
  await logs.close();
});

test("the newest bytes of a log are told without a look at its file, and only the newest", async () => {
  await using folder = await aFolder();
  const logs = openLogFiles(folder.dir);
  const all = Buffer.from(Array.from({ length: 9_000 }, (_none, line) => `${line}\n`).join(""));
  for (let at = 0; at < all.length; at += 1_001) {
    await logs.append(LOG, at, all.subarray(at, at + 1_001));
  }

  const recent = await logs.recent(LOG, all.length - 10_000);
  const older = await logs.recent(LOG, all.length - 20_000);
  const none = await logs.recent(LOG, all.length);
  await logs.close();

  expect(Buffer.from(recent ?? []).equals(all.subarray(all.length - 10_000))).toBe(true);
  expect(older).toBeUndefined();
  expect(none?.length).toBe(0);
});

test("a chunk of which only a part came to disk is in the log once when it is sent again", async () => {
  await using folder = await aFolder();
  const logs = openLogFiles(folder.dir);
  await logs.append(LOG, 0, Buffer.from("one "));
  const probe = await open(join(folder.dir, "probe"), "w");
  const handles = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const full = vi.spyOn(handles, "appendFile").mockImplementationOnce(async function (
    this: FileHandle,
  ) {
    await this.write("tw");
    throw new Error("ENOSPC");
  });
  await expect(logs.append(LOG, 4, Buffer.from("two"))).rejects.toThrow("ENOSPC");
  full.mockRestore();

  await logs.append(LOG, 4, Buffer.from("two"));

  expect(Buffer.from(await logs.read(LOG, 0, 100)).toString()).toBe("one two");
  await logs.close();
});

test("an artifact is named by its digest and by nothing else", async () => {
  await using folder = await aFolder();
  const artifacts = openArtifactFiles(join(folder.dir, "artifacts"));
  const store = (sha256: string) =>
    artifacts.store(sha256, Readable.from([Buffer.from("rpm")]), (prefix) => `${prefix}-1`);
  const sha256 = createHash("sha256").update("rpm").digest("hex");

  expect(await store("ab/../../../outside/file")).toBe("mismatch");
  expect(await store("0".repeat(64))).toBe("mismatch");
  expect(await store(sha256)).toBe("stored");

  expect(await readdir(folder.dir)).toEqual(["artifacts"]);
  expect(await artifacts.find(sha256)).toMatchObject({ sizeBytes: 3 });
});
