import { describe, expect, test } from "vitest";
import type { ApiBuild } from "../../src/cli/api-types.ts";
import type { ProcessName } from "../../src/cli/processes/process-table.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { startTatara, type Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";
import { waitForStatus } from "../support/wait-for.ts";

const PHASES = ["queued", "checkout", "image", "test", "package", "publish"] as const;
type Phase = (typeof PHASES)[number];
const VICTIMS = ["server", "build", "publish", "report", "redis"] as const satisfies ProcessName[];

const LINES = 40;
/** Slow enough to be hit in every phase; each push has layers of its own, so that none is cached. */
function slowRepo(salt: string) {
  return tinyRepo({
    dockerfile: `FROM tatara/base\nRUN echo ${salt} && sleep 0.7\n`,
    test: `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done`,
    build: `echo ${salt}; sleep 0.7`,
  });
}

function isIn(phase: Phase, build: ApiBuild): boolean {
  if (phase === "queued") return true;
  if (phase === "publish") return build.publish !== null;
  const step = build.jobs[0]?.steps.find(({ name }) => name === phase);
  return step !== undefined && step.state !== "queued";
}

/** Pushes a slow repository, and returns once its build is in the phase, or just past it. */
async function pushInto(tatara: Tatara, name: string, phase: Phase): Promise<string> {
  // Package names belong to the build's NEVRA, so each repo makes a package of its own.
  const files = slowRepo(name);
  const spec = (files["tiny.spec"] ?? "").replace("Name: tiny", `Name: tiny-${name}`);
  const repo = await tatara.createRepo(`kill/${name}`, { ...files, "tiny.spec": spec });
  await repo.push();
  const has = () => tatara.build(`kill/${name}#1`).then((build) => isIn(phase, build));
  await until(() => has().catch(() => false), true, { deadlineMs: 300_000, everyMs: 5 });
  return (await repo.git(["rev-parse", "HEAD"])).trim();
}

/** The build's one final state, a whole log, a package that is listed once, and the commit's word. */
async function expectWhole(tatara: Tatara, name: string, sha: string): Promise<void> {
  const build = await tatara.until(`kill/${name}#1`, "passed");

  const log = await tatara.log(build.id, "test");
  const numbers = [...log.matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
  expect(numbers).toEqual(Array.from({ length: LINES }, (_none, index) => index + 1));
  const listed = build.packages.filter(({ nevra }) => nevra.endsWith(".noarch"));
  expect(listed).toHaveLength(1);
  await waitForStatus(tatara, `kill/${name}`, sha, "success");
}

// Side by side, since most of the time is spent asleep; each has a whole Tatara of its own.
describe.concurrent.each(VICTIMS)("kill -9 of %s", (victim) => {
  test("in every phase of a build: one final state, a whole log, nothing left", async () => {
    await using tatara = await startTatara();
    for (const phase of PHASES) {
      const name = `${victim}-${phase}`;
      const sha = await pushInto(tatara, name, phase);

      tatara.kill(victim);

      await expectWhole(tatara, name, sha);
    }
    await tatara.untilNothingIsLeft();
  });
});
