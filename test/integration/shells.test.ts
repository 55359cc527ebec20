import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { recordStep } from "../../src/server/store/jobs.ts";
import {
  beginShell,
  endLostShells,
  endShell,
  findKeptStep,
  shellsOf,
} from "../../src/server/store/shells.ts";
import type { FoundStep } from "../../src/server/store/shells.ts";
import type { Store } from "../../src/server/store/store.ts";
import { spliceShell } from "../../src/server/splice-shell.ts";
import { encodeFrame, frameReader, jsonFrame } from "../../src/shared/shell-frames.ts";
import { aStore } from "../support/a-store.ts";
import { someStepDetails } from "../support/sample-jobs.ts";
import { aRunningJob } from "../support/store-rig.ts";

const MINUTE_MS = 60_000;

/** The step `test` of a running job failed and was kept for half an hour. */
async function aKeptStep(store: Store) {
  const job = await aRunningJob(store);
  const { jobId, token } = job;
  const now = store.now();
  const details = someStepDetails({ shellUntil: now + 30 * MINUTE_MS });
  const failure = {
    code: "STEP_FAILED" as const,
    message: "test exited 1",
    hint: null,
    file: null,
    line: null,
    exitCode: 1,
  };
  const end = {
    state: "failed" as const,
    startedAt: now,
    endedAt: now,
    failure,
    note: null,
    details,
  };
  await store.write((tx) => recordStep(tx, { jobId, token }, "test", end));
  return job;
}

function refusal(found: FoundStep): string {
  return found.kind === "kept" ? "kept" : `${found.status} ${found.error} ${found.hint}`;
}

test("a kept step is found by its name until its time is over, and then it is said that it was", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId, jobId } = await aKeptStep(store);
  const find = (step: string, job: string | null = null) =>
    findKeptStep(store, { buildId, job, step });

  const found = await find("test");
  const ofOther = await find("test", "another job");
  const checkout = await find("checkout");
  const unknown = await find("tset");
  held.advance(30 * MINUTE_MS);
  const late = await find("test");

  expect(found).toMatchObject({ kind: "kept", step: { jobId, step: "test", attempt: 1 } });
  expect(refusal(ofOther)).toContain("404");
  expect(refusal(checkout)).toContain("only the container of a failed step is kept");
  expect(refusal(unknown)).toMatch(/404 This build has no step tset\. steps: .*test/);
  expect(refusal(late)).toMatch(/^410 test was kept for half an hour, and that is over\./);
});

test("who was inside stays on record, also when the server was killed meanwhile", async () => {
  await using held = await aStore();
  const { store } = held;
  const { buildId } = await aKeptStep(store);
  const found = await findKeptStep(store, { buildId, job: null, step: "test" });
  if (found.kind !== "kept") throw new Error(found.error);
  const { step } = found;
  await store.write((tx) => beginShell(tx, { id: "x-1", step, by: "admin" }));
  await store.write((tx) => beginShell(tx, { id: "x-2", step, by: "admin" }));
  held.advance(5_000);

  await store.write((tx) => endShell(tx, "x-1", { exitCode: 3, reason: null }));
  await store.write(endLostShells);

  const shells = await shellsOf(store, buildId);
  expect(shells).toMatchObject([
    { step: "test", by: "admin", exitCode: 3, endReason: null },
    { step: "test", by: "admin", exitCode: null, endReason: "the server was restarted" },
  ]);
  expect(shells.map(({ startedAt, endedAt }) => (endedAt ?? 0) - startedAt)).toEqual([
    5_000, 5_000,
  ]);
});

/** Two connections: the ends of a person and of a shell, and the server's between them. */
async function aPairOfConnections() {
  const ends: Socket[] = [];
  const server = createServer((socket) => void ends.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const open = async (): Promise<{ outer: Socket; inner: Socket }> => {
    const outer = connect(port, "127.0.0.1");
    await Promise.all([once(outer, "connect"), once(server, "connection")]);
    const inner = ends.at(-1);
    if (inner === undefined) throw new Error("No connection came.");
    return { outer, inner };
  };
  const [person, shell] = [await open(), await open()];
  return {
    person,
    shell,
    splice: (limits?: { sessionMs: number; idleMs: number }, stopping = new AbortController()) =>
      spliceShell({ person: person.inner, shell: shell.inner }, stopping.signal, limits),
    [Symbol.asyncDispose]: async () => {
      for (const { outer, inner } of [person, shell]) {
        outer.destroy();
        inner.destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}

test("bytes go both ways, and the exit status is read on the way", async () => {
  await using pair = await aPairOfConnections();
  const spliced = pair.splice();
  pair.person.outer.write(encodeFrame("data", Buffer.from("ls\n")));
  const [typed] = (await once(pair.shell.outer, "data")) as [Buffer];

  pair.shell.outer.end(jsonFrame("exit", { code: 7 }));
  const shown = await buffer(pair.person.outer);

  expect(frameReader().push(typed)[0]?.payload.toString()).toBe("ls\n");
  expect(frameReader().push(shown)).toMatchObject([{ kind: "exit" }]);
  expect(await spliced).toEqual({ exitCode: 7, reason: null });
});

test.for([
  ["idle", { sessionMs: 600_000, idleMs: 20 }, "nothing happened"],
  ["too long", { sessionMs: 20, idleMs: 600_000 }, "a shell may last"],
] as const)("a shell that is %s is closed, and the person is told", async ([, limits, why]) => {
  await using pair = await aPairOfConnections();

  const end = await pair.splice(limits);
  const shown = await buffer(pair.person.outer);

  expect(end).toMatchObject({ exitCode: null, reason: expect.stringContaining(why) as unknown });
  const [last] = frameReader().push(shown);
  expect(last?.kind).toBe("error");
  expect(last?.payload.toString()).toContain(why);
});

test("a worker that breaks off, and a person who leaves, end the other side too", async () => {
  await using broken = await aPairOfConnections();
  const first = broken.splice();
  broken.shell.outer.destroy();
  await using left = await aPairOfConnections();
  const second = left.splice();
  left.person.outer.destroy();

  expect(await first).toEqual({ exitCode: null, reason: "it broke off" });
  expect(await second).toEqual({ exitCode: null, reason: "left" });
  await buffer(broken.person.outer);
  await buffer(left.shell.outer);
});
