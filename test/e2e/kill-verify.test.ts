import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { ProcessName } from "../../src/cli/processes/process-table.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara, type Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";
import { waitForLog, waitForStatus } from "../support/wait-for.ts";
import { openRecords, type Records } from "../torture/records.ts";

const run = promisify(execFile);

const MOMENTS = ["stage", "verify"] as const;
/** The publish worker has nothing in its hands while packages are verified. */
const VICTIMS = [
  ["build", MOMENTS],
  ["server", MOMENTS],
  ["publish", ["stage"]],
] as const satisfies [ProcessName, readonly (typeof MOMENTS)[number][]][];

/**
 * What is under way between the last job that builds and the channel that hosts look at, or was just
 * now: a look may come late.
 */
function hasBegun(moment: (typeof MOMENTS)[number], repo: string, records: Records): boolean {
  const build = records.all("builds").find((one) => one.repo === repo);
  if (moment === "stage")
    return stageOf(build?.id, records).some(({ state }) => state !== "queued");
  const jobs = records.all("jobs").filter(({ buildId }) => buildId === build?.id);
  return records
    .all("steps")
    .filter(({ jobId }) => jobs.some(({ id }) => id === jobId))
    .some(({ kind, state }) => kind === "verify" && state !== "queued");
}

function stageOf(buildId: string | undefined, records: Records) {
  return records
    .all("publishes")
    .filter((one) => one.buildId === buildId && one.purpose === "stage");
}

/** Such moments last milliseconds, so the records are read directly. */
async function untilRecords(
  tatara: Tatara,
  areWanted: (records: Records) => boolean,
): Promise<void> {
  using records = openRecords(tatara.dataDir);
  await until(() => areWanted(records), true, { deadlineMs: 300_000, everyMs: 2 });
}

/** Returns the commit. */
async function pushVerified(tatara: Tatara, name: string): Promise<string> {
  const repo = await tatara.createRepo(`kill/${name}`, tinyRepo({ name, verify: true }));
  await repo.push();
  return (await repo.git(["rev-parse", "HEAD"])).trim();
}

/** One final state, verified and published once: what a build has that nobody disturbed. */
async function expectPublishedOnce(tatara: Tatara, name: string, sha: string): Promise<void> {
  const build = await tatara.until(`kill/${name}#1`, "passed");

  expect(build.jobs.map(({ state }) => state)).toEqual(["passed", "passed"]);
  const log = await tatara.log(build.id, "verify");
  expect(linesOf(log, "tatara: install ")).toHaveLength(1);
  expect(build.publish?.generations).toEqual([{ channel: "dev", number: expect.any(Number) }]);
  using records = openRecords(tatara.dataDir);
  const listed = records
    .all("listings")
    .filter((row) => row.channel === "dev" && row.name === name && row.arch === "noarch");
  expect(listed).toHaveLength(1);
  await waitForStatus(tatara, `kill/${name}`, sha, "success");
}

// Side by side, since most of the time is spent waiting; each has a whole Tatara of its own.
describe.concurrent.each(VICTIMS)("kill -9 of %s", (victim, moments) => {
  test("between build and release: verified once, published once", async () => {
    await using tatara = await startTatara();
    for (const moment of moments) {
      const sha = await pushVerified(tatara, moment);
      await untilRecords(tatara, (records) => hasBegun(moment, `kill/${moment}`, records));

      tatara.kill(victim);

      await expectPublishedOnce(tatara, moment, sha);
    }
    await tatara.untilNothingIsLeft();
  });
});

test.concurrent("Redis is emptied before verify, and the build worker dies beside a service", async () => {
  await using tatara = await startTatara();
  const pushed = pushVerified(tatara, "flushed");
  await untilRecords(tatara, (records) => hasBegun("stage", "kill/flushed", records));
  // Nobody takes the job that verifies, until the ticket that says that it waits is gone.
  tatara.kill("build", "SIGSTOP");
  await untilRecords(tatara, (records) => {
    return records.all("publishes").some((one) => one.purpose === "stage" && one.state === "live");
  });
  await run("redis-cli", ["-s", await redisSocket(tatara), "FLUSHALL"]);
  tatara.kill("build", "SIGCONT");
  await expectPublishedOnce(tatara, "flushed", await pushed);

  const repo = await tatara.createRepo("kill/served", { ...tinyRepo(), ".tatara.yml": SERVED });
  await repo.push();
  await waitForLog(tatara, "kill/served#1", "test", "line 5\n");
  expect(await tatara.log("kill/served#1", "test~db")).toContain("db is up");
  tatara.kill("build");
  const build = await tatara.until("kill/served#1", "passed");
  // The test and its service went on meanwhile; their logs are whole.
  expect(build.jobs[0]?.attempt).toBe(1);
  expect(linesOf(await tatara.log(build.id, "test"), "line ")).toEqual(NUMBERED);
  expect(linesOf(await tatara.log(build.id, "test~db"), "db is up")).toHaveLength(1);
  await tatara.untilNothingIsLeft();
});

const NUMBERED = Array.from({ length: 60 }, (_none, index) => `line ${index + 1}`);
const SERVED = `
services:
  db:
    image: tatara/base
    command: [sh, -c, "echo db is up; exec sleep 600"]
    ready: "true"
test:
  run: |
    getent hosts db
    i=0; while [ $i -lt ${NUMBERED.length} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done
  services: [db]
`;

function linesOf(log: string, start: string): readonly string[] {
  return log.split("\n").filter((line) => line.startsWith(start));
}

async function redisSocket({ supervisor }: Tatara): Promise<string> {
  const environment = await readFile(`/proc/${supervisor.pidOf("server")}/environ`, "utf8");
  return /TATARA_REDIS_URL=(?:unix:\/\/)?([^\0]+)/.exec(environment)?.[1] ?? "";
}
