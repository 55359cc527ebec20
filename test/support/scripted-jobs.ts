import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { RunJobDeps } from "../../workers/build/job.ts";
import { startBuildRig } from "./build-rig.ts";
import type { BuildRig } from "./build-rig.ts";
import { createRepo } from "./git-host.ts";
import type { Files } from "./git-host.ts";
import type { PushToTell } from "./github-deliveries.ts";
import type { ScriptedEngine, StepScript } from "./scripted-engine.ts";

const PIPELINE =
  "image: ./Dockerfile\ntest:\n  unit: make unit\n  lint: make lint\npackage: hello.spec\n";

/** A commit with an image, the tests `unit` and `lint`, and a package. */
export const FILES: Files = {
  Dockerfile: "FROM x\n",
  "hello.spec": "Name: hello\nVersion: 1.0\n",
  ".tatara.yml": PIPELINE,
  "a.c": "int a;\n",
};

/** What the step `package` leaves when it works. */
export const MADE: StepScript = { files: { "/tatara/out/hello-1.0-1.x86_64.rpm": "an rpm" } };

/** Jobs on a scripted engine with a real git host, for one test file. Repos are shared, rigs are not. */
export function scriptedJobs() {
  const pushes = new Map<Files, Promise<PushToTell>>();
  let gitDir: string;
  let rig: BuildRig | undefined;
  beforeAll(async () => {
    gitDir = await mkdtemp(join(tmpdir(), "tatara-repos-"));
  });
  afterEach(async () => {
    await rig?.[Symbol.asyncDispose]();
    rig = undefined;
  });
  afterAll(async () => {
    await rm(gitDir, { recursive: true });
  });

  const pushOf = async (files: Files): Promise<PushToTell> => {
    const repo = await createRepo(gitDir, `acme/hello-${pushes.size}`, { files });
    return await repo.commit({ "new.txt": "x\n" });
  };

  return {
    setUp: async (
      engine: ScriptedEngine,
      files: Files = FILES,
      changes: Partial<BuildGrant> = {},
      settings: {
        readonly jobTimeoutMs?: number;
        readonly openJournal?: NonNullable<RunJobDeps["openJournal"]>;
      } = {},
    ): Promise<{ rig: BuildRig; grant: BuildGrant }> => {
      rig = await startBuildRig(engine, { heartbeatMs: 20, gitDir, ...settings });
      const push = pushes.get(files) ?? pushOf(files);
      pushes.set(files, push);
      return { rig, grant: rig.grantFor(await push, changes) };
    },
    /** But the containers of failed steps, which a person may enter for a while. */
    expectNothingLeft: async (
      engine: ScriptedEngine,
      kept: readonly string[] = [],
    ): Promise<void> => {
      const left = engine.leftovers().filter((one) => one.startsWith("container "));
      expect(left).toEqual(kept.map((step) => `container ${step}`));
      if (kept.length === 0) expect(engine.leftovers()).toEqual([]);
      expect(await rig?.filesOfJobs()).toEqual([]);
    },
  };
}
