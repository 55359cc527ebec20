import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const NAME = "lost/frozen";
const BUILD = `${NAME}#1`;
const LINES = 150;
const FILE = `image: tatara/base
test:
  unit: |
    i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo "out $i"; sleep 0.1; done
`;

let tatara: Tatara;
beforeAll(async () => {
  tatara = await startTatara();
});
afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
});

test("a build worker that was frozen past its lease is lost: its log ends with that, it wakes, ends what it had begun, and writes nothing", async () => {
  const repo = await tatara.createRepo(NAME, { ".tatara.yml": FILE });
  await repo.push();
  const jobs = async () => (await tatara.build(BUILD).catch(() => undefined))?.jobs;
  const said = async () => {
    const { id = "" } = (await tatara.build(BUILD).catch(() => undefined)) ?? {};
    return (await tatara.log(id, "unit").catch(() => "")).includes("out 5\n");
  };
  await until(said, true, { deadlineMs: 300_000, everyMs: 20 });

  tatara.kill("build", "SIGSTOP");
  await until(async () => (await jobs())?.map(({ state }) => state), ["queued"], {
    deadlineMs: 60_000,
    everyMs: 100,
  });
  tatara.kill("build", "SIGCONT");

  const build = await tatara.until(BUILD, "passed");
  const [job] = build.jobs;
  expect(job?.attempt).toBe(2);
  const all = Array.from({ length: LINES }, (_none, index) => `out ${index + 1}\n`).join("");
  expect(await tatara.log(build.id, "unit")).toBe(all);
  const path = join(tatara.dataDir, "logs", build.id, job?.id ?? "", "1", "unit.log");
  const [, shown = "", last] = /^((?:out \d+\n)+)(.*)$/s.exec(await readFile(path, "utf8")) ?? [];
  expect(all.startsWith(shown)).toBe(true);
  expect(last).toBe("[tatara: worker lost here]\n");
  await tatara.untilNothingIsLeft();
});
