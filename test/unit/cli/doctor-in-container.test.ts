import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkDataDir } from "../../../src/cli/doctor/machine.ts";
import { checkEngine } from "../../../src/cli/doctor/workers.ts";

test("a container without the engine's socket is not blamed for it, and the engine is not asked", async () => {
  const openEngine = () => {
    throw new Error("asked");
  };
  const images = { baseImage: "tatara/base", targets: "" };

  const there = await checkEngine(openEngine, { ...images, isElsewhere: true });
  const here = await checkEngine(openEngine, { ...images, isElsewhere: false });

  expect(there).toMatchObject([
    { verdict: "ok", evidence: "not here: no engine socket in this container" },
  ]);
  expect(here).toMatchObject([{ verdict: "FAIL", evidence: "asked" }]);
});

test("in a container the data folder's group is who is meant to read it; others are never", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-doctor-"));
  const verdictAt = async (mode: number, isContainer: boolean) => {
    await chmod(dataDir, mode);
    const checks = await checkDataDir(dataDir, { freeDiskMinMib: 0, isContainer });
    return checks.find(({ name }) => name === "data")?.verdict;
  };
  try {
    expect(await verdictAt(0o750, true)).toBe("ok");
    expect(await verdictAt(0o755, true)).toBe("warn");
    expect(await verdictAt(0o750, false)).toBe("warn");
  } finally {
    await rm(dataDir, { recursive: true });
  }
});
