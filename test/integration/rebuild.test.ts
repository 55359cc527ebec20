import { expect, test } from "vitest";
import { findBuild, rerunBuild } from "../../src/server/store/builds.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPackageStep, aPipeline, aPlanMessage, aTest } from "../support/a-pipeline.ts";
import { aStore } from "../support/a-store.ts";
import { RPM, SERVER, aRunningJob, passed } from "../support/store-rig.ts";
import { ADMIN_TOKEN, startWebServer } from "../support/web-server.ts";

const UNVERIFIED = aPlanMessage(
  aPipeline({ tests: [aTest()], packages: [aPackageStep({ verify: null })], publish: [] }),
);

async function runAgain(store: Store, sha256: string): Promise<void> {
  const granted = await store.write((tx) => claimJob(tx, "w1", "token-2"));
  const jobId = granted?.job.id ?? "";
  const token = "token-2";
  await store.write((tx) => recordPlan(tx, { jobId, token }, UNVERIFIED, SERVER));
  const end = { ...passed(), packages: [{ ...RPM, sha256 }] };
  await store.write((tx) => endJob(tx, jobId, token, end));
}

test("a rebuild is fresh, publishes nothing, and says which packages are not the same", async () => {
  await using held = await aStore();
  const { store } = held;
  const first = await aRunningJob(store, { plan: UNVERIFIED });
  await store.write((tx) => endJob(tx, first.jobId, first.token, passed()));

  const again = await store.write((tx) =>
    rerunBuild(tx, first.buildId, "ops", { isCompared: true }),
  );

  if (again.kind !== "queued") throw new Error(again.kind);
  const read = readStore(store, { liveSince: () => 0 });
  expect(await findBuild(store, again.id)).toMatchObject({
    isFresh: 1,
    mayPublish: 0,
    compareWith: first.buildId,
  });
  expect((await read.buildById(again.id))?.compareWith).toMatchObject({
    id: first.buildId,
    differing: null,
  });
  await runAgain(store, "2".repeat(64));
  expect((await read.buildById(again.id))?.compareWith).toMatchObject({
    number: 1,
    differing: [RPM.fileName],
  });
});

test("the API makes a rebuild of a build with packages, and compares nothing else", async () => {
  const asked: unknown[] = [];
  await using server = await startWebServer({
    act: {
      cancel: () => Promise.resolve("not-found"),
      rerun: (...args) => {
        asked.push(args);
        return Promise.resolve({ id: "b-2", number: 45 });
      },
    },
  });
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const call = async (path: string, method = "POST") => {
    const response = await fetch(`${server.url}/api/builds/${path}`, { method, headers });
    return { status: response.status, ...((await response.json()) as object) };
  };
  const build = server.records.builds.find(({ artifacts }) => artifacts.length > 0);
  const bare = server.records.builds.find(({ artifacts }) => artifacts.length === 0);

  expect(await call(`${build?.id}/rebuild`)).toMatchObject({ status: 201, number: 45 });
  expect(asked).toEqual([[build?.id, "admin", { isCompared: true }]]);
  expect(await call(`${bare?.id}/rebuild`)).toMatchObject({ status: 409 });
  expect(await call(`${build?.id}/comparison`, "GET")).toMatchObject({ status: 409 });
  expect(await call("none/comparison", "GET")).toMatchObject({ status: 404 });
});
