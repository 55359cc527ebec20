import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { EndMessage } from "../../../../src/shared/build-messages.ts";
import { serverClient } from "../../../../src/shared/server-client.ts";
import { scriptedEngine } from "../../../support/scripted-engine.ts";
import { aGrant, startBuildServer } from "../../../support/build-server.ts";
import { silentLogger } from "../../../support/silent-logger.ts";
import { serverRecords } from "../../../../workers/build/job-record.ts";
import { holdLease } from "../../../../workers/build/lease.ts";
import { spoolBudget } from "../../../../workers/build/log/spool-budget.ts";
import { NO_JOURNAL, readJournal, openJournal } from "../../../../workers/build/resume/journal.ts";
import { rememberJob } from "../../../../workers/build/resume/remember-job.ts";

const UNIT = "the first line\nthe last line\n";
const SERVICE = "ready\n";
const PASSED = {
  state: "passed",
  startedAt: 1,
  endedAt: 2,
  failure: null,
  note: null,
  details: null,
} as const;
const END: EndMessage = { state: "passed", reason: null, failure: null, packages: [] };

/** A worker that comes back to an attempt whose test and its service ended in its earlier life. */
async function aReturn() {
  const server = await startBuildServer();
  onTestFinished(() => server[Symbol.asyncDispose]());
  const dir = await mkdtemp(join(tmpdir(), "tatara-record-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const grant = aGrant({ url: "http://x/a.git", sha: "a".repeat(40) });
  await writeFile(join(dir, "unit.log"), UNIT);
  await writeFile(join(dir, "unit~db.log"), SERVICE);
  const journal = await openJournal(dir, silentLogger);
  await journal.ended({ step: "unit", message: PASSED, memo: {} });
  await journal.close();
  const { logs } = server.told(grant.jobId);

  const resume = async () => {
    const sizes = Object.fromEntries([...logs].map(([name, log]) => [name, log.length]));
    const story = await readJournal(dir);
    const engine = { engine: scriptedEngine(), workerId: "w1", logger: silentLogger };
    const returned = { grant, dir, life: 2, story, logs: sizes };
    const memory = await rememberJob(engine, returned, AbortSignal.timeout(60_000));
    const client = serverClient({ url: server.url, token: server.token });
    const shutdown = new AbortController();
    const held = { client, shutdown: shutdown.signal, logger: silentLogger };
    const lease = holdLease(grant, held);
    onTestFinished(() => lease.close());
    const open = serverRecords({ client, budget: spoolBudget() });
    const record = open(grant, { lease, dir, journal: NO_JOURNAL, memory });
    onTestFinished(() => record.close());
    return record;
  };
  const text = () => Object.fromEntries([...logs].map(([name, log]) => [name, log.toString()]));
  return { resume, logs, text };
}

test("what a server lost of an ended step's log is sent by a later life of its worker", async () => {
  const { resume, logs, text } = await aReturn();
  logs.set("unit", Buffer.from(UNIT.slice(0, 20)));
  logs.set("unit~db", Buffer.alloc(0));

  const record = await resume();
  await record.end(END);

  // What its card is made of, if the step failed.
  expect(record.log("unit").tail()).toEqual({ text: UNIT, firstLineNumber: 1 });
  expect(text()).toEqual({ unit: UNIT, "unit~db": SERVICE });
});

test("an end that the server lost after its worker came back is asked for, and sent", async () => {
  const { resume, logs, text } = await aReturn();
  logs.set("unit", Buffer.from(UNIT));
  logs.set("unit~db", Buffer.from(SERVICE));
  const record = await resume();

  logs.set("unit", Buffer.from(UNIT.slice(0, 20)));
  await record.end(END);

  expect(text()).toEqual({ unit: UNIT, "unit~db": SERVICE });
});

test("a log of which the server has more than this worker is not the same log", async () => {
  const { resume, logs } = await aReturn();
  logs.set("unit", Buffer.from(`${UNIT}and more`));

  await expect(resume()).rejects.toThrow("The log of unit does not fit");
});
