import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { evrKey } from "../../src/domain/evr-key.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import { checkLogs } from "../../src/invariants/check-logs.ts";
import { openRecords } from "../../src/invariants/records.ts";
import type { Look } from "../../src/invariants/world.ts";
import { openArtifactFiles } from "../../src/server/artifact-files.ts";
import { buildRetention, type RetentionDeps } from "../../src/server/build-retention.ts";
import { openLogFiles } from "../../src/server/logs.ts";
import { rerunBuild } from "../../src/server/store/builds.ts";
import { insertRow } from "../../src/server/store/insert-row.ts";
import { claimJob, endJob, recordStep } from "../../src/server/store/jobs.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule, aTest } from "./a-pipeline.ts";
import { aPush, aStore } from "./a-store.ts";
import { silentLogger } from "./silent-logger.ts";
import { aPackage, aRunningJob, RPM, SERVER } from "./store-rig.ts";

export const DAY_MS = 24 * 3_600_000;
export const KEEP_DAYS = 30;
export const MAIN = "refs/heads/main";
const PARTS = { tests: [aTest()], packages: [aPackageStep({ verify: null })] };
export const UNPUBLISHED = aPlanMessage(aPipeline({ ...PARTS, publish: [] }));
export const PUBLISHED = aPlanMessage(aPipeline({ ...PARTS, publish: [aRule()] }));

const CARD = {
  kind: "code",
  code: "STEP_FAILED",
  step: "test",
  title: "assertion failed",
  excerpt: "",
  file: null,
  line: null,
  logLine: 2,
  hint: null,
  confidence: "low",
  evidence: "last-lines",
  problems: null,
} as const;

interface Wish {
  readonly ref?: string;
  readonly state?: "passed" | "failed" | "running";
  /** What its package holds; builds of the same text upload the same file. */
  readonly rpm?: string;
  readonly plan?: typeof UNPUBLISHED;
}

/** Builds with logs and uploads on a real disk, and a clock that the test moves. */
export async function aRetentionWorld() {
  const held = await aStore();
  onTestFinished(() => held[Symbol.asyncDispose]());
  const { store } = held;
  const dataDir = dirname(held.path);
  const logs = openLogFiles(join(dataDir, "logs"));
  onTestFinished(() => logs.close());
  const artifacts = openArtifactFiles(join(dataDir, "artifacts"));
  const deps: RetentionDeps = {
    store,
    logs,
    artifacts,
    logger: silentLogger,
    keepBuildsDays: KEEP_DAYS,
  };
  let tokens = 0;

  const upload = async (text: string): Promise<string> => {
    const sha256 = createHash("sha256").update(text).digest("hex");
    await artifacts.store(sha256, Readable.from([Buffer.from(text)]), store.newId);
    const path = join(dataDir, "artifacts", sha256.slice(0, 2), sha256);
    await utimes(path, new Date(store.now()), new Date(store.now()));
    return sha256;
  };
  const end = async (
    { buildId, jobId, token }: { buildId: string; jobId: string; token: string },
    { state = "passed", rpm = buildId }: Wish,
  ): Promise<string> => {
    const log = { buildId, jobId, attempt: 1, step: "test" };
    await logs.append(log, 0, Buffer.from("one\ntwo\n"));
    if (state === "running") return buildId;
    const packages = [{ ...RPM, sha256: await upload(rpm) }];
    const isFailed = state === "failed";
    const step = { state, note: null, failure: null, details: null } as never;
    if (isFailed) await store.write((tx) => recordStep(tx, { jobId, token }, "test", step));
    const failure = isFailed ? CARD : null;
    await store.write((tx) => endJob(tx, jobId, token, { state, reason: null, failure, packages }));
    return buildId;
  };
  return {
    ...held,
    ...deps,
    artifacts,
    logs,
    deps,
    dataDir,
    upload,
    end,
    begin: async () => await aRunningJob(store, { plan: UNPUBLISHED }),
    build: async (wish: Wish = {}): Promise<string> => {
      const { ref = MAIN, plan = UNPUBLISHED } = wish;
      const token = `token-${(tokens += 1)}`;
      return await end(await aRunningJob(store, { token, plan, push: aPush({ ref }) }), wish);
    },
    rebuild: async (of: string, wish: Wish = {}): Promise<string> => {
      const again = await store.write((tx) => rerunBuild(tx, of, "ops", { isCompared: true }));
      const token = `token-${(tokens += 1)}`;
      const granted = await store.write((tx) => claimJob(tx, "w1", token));
      if (again.kind !== "queued" || granted === undefined) throw new Error(again.kind);
      const jobId = granted.job.id;
      await store.write((tx) => recordPlan(tx, { jobId, token }, UNPUBLISHED, SERVER));
      return await end({ buildId: again.id, jobId, token }, wish);
    },
    publish: async (buildId: string, version: string, sweptAt: number | null) => {
      const { nevra, targets: _targets, ...facts } = aPackage({ version });
      const row = { ...facts, ...nevra, nevra: formatNevra(nevra), evrKey: evrKey(nevra), buildId };
      const rest = { yankedAt: null, yankReason: null, refusedAt: null, delistedAt: null };
      const more = { repo: "acme/hello", publishedAt: 0, isPinned: 0, freedAt: null, sweptAt };
      await store.write((tx) => insertRow(tx, "packages", { ...row, ...rest, ...more }));
    },
    tidy: buildRetention(deps),
    view: async (id: string) => {
      const view = await readStore(store, { liveSince: () => 0 }).buildById(id);
      if (view === undefined) throw new Error(`There is no build ${id}.`);
      return view;
    },
    hasLog: (id: string) => existsSync(join(dataDir, "logs", id)),
    removed: async () => {
      const rows = store.db
        .selectFrom("builds")
        .select("id")
        .where("logsRemovedAt", "is not", null);
      return new Set((await rows.execute()).map(({ id }) => id));
    },
    findings: async () => {
      using records = openRecords(dataDir);
      return await checkLogs({ records, dataDir } as unknown as Look);
    },
  };
}
