import { expect, test } from "vitest";
import { isBuildChannel } from "../../src/domain/channel.ts";
import { isFinal } from "../../src/domain/states.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { BuildRow, JobRow, PublishRow } from "../../src/server/store/schema.ts";
import { aStore } from "../support/a-store.ts";
import { storeLife } from "../support/store-life.ts";
import { randomOf } from "../torture/random.ts";

const SEEDS = Array.from({ length: 10 }, (_none, index) => index + 1);
const STEPS = 300;

test.each(SEEDS)(
  "whatever happens, each build ends once and hosts see only what was verified (seed %i)",
  async (seed) => {
    await using held = await aStore();
    const life = storeLife(held, randomOf(seed, "life"));
    const finals = new Map<string, string>();
    const changed: string[] = [];
    for (let done = 0; done < STEPS; done += 1) {
      await life.step();
      changed.push(...(await changedFinals(held.store, finals)));
    }

    await life.calmDown();

    changed.push(...(await changedFinals(held.store, finals)));
    expect(changed).toEqual([]);
    expect(await brokenPromises(held.store)).toEqual([]);
    // A life in which nothing came of anything would prove nothing.
    expect([...finals.values()]).toContain("passed");
  },
);

/** Builds that have left a final state since the last look. */
async function changedFinals(
  { db }: Store,
  finals: Map<string, string>,
): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const { id, state } of await db.selectFrom("builds").select(["id", "state"]).execute()) {
    const first = finals.get(id);
    if (first === undefined && isFinal(state)) finals.set(id, state);
    if (first !== undefined && first !== state) changed.push(`${id} was ${first}, then ${state}`);
  }
  return changed;
}

async function brokenPromises({ db }: Store): Promise<readonly string[]> {
  const builds = await db.selectFrom("builds").selectAll().execute();
  const jobs = await db.selectFrom("jobs").selectAll().execute();
  const publishes = await db.selectFrom("publishes").selectAll().execute();
  const freed = await db
    .selectFrom("packages")
    .innerJoin("listings", "listings.nevra", "packages.nevra")
    .select(["packages.nevra as nevra", "channel"])
    .where("freedAt", "is not", null)
    .execute();
  return [
    ...builds.flatMap((build) =>
      brokenIn(build, {
        jobs: jobs.filter(({ buildId }) => buildId === build.id),
        publishes: publishes.filter(({ buildId }) => buildId === build.id),
      }),
    ),
    ...freed
      .filter(({ channel }) => !isBuildChannel(channel))
      .map(({ nevra, channel }) => `${nevra} may be used for other content, but is in ${channel}`),
  ];
}

function brokenIn(
  { id, state, mayPublish }: BuildRow,
  {
    jobs,
    publishes,
  }: { readonly jobs: readonly JobRow[]; readonly publishes: readonly PublishRow[] },
): readonly string[] {
  const final = publishes.find(({ purpose }) => purpose === "final");
  const stage = publishes.find(({ purpose }) => purpose === "stage");
  const unverified = jobs.filter((job) => job.kind === "verify" && !isSettledVerify(job));
  const isVerified = jobs.some((job) => job.kind === "verify" && job.state === "passed");
  const isOpen = (row: { readonly state: string }): boolean =>
    row.state === "queued" || row.state === "running";
  const facts = {
    "is not ended": isOpen({ state }),
    "has a job that is not ended": jobs.some(isOpen),
    "has a publish that is not ended": publishes.some(isOpen),
    "is live, but did not pass": final?.state === "live" && state !== "passed",
    "passed, but a publish did not":
      state === "passed" && publishes.some((one) => one.state !== "live"),
    "goes to hosts unverified": final !== undefined && unverified.length > 0,
    "was verified without its packages being staged": isVerified && stage === undefined,
    "goes to hosts, which it must not": final !== undefined && mayPublish === 0,
    "has two publishes of one purpose":
      new Set(publishes.map(({ purpose }) => purpose)).size < publishes.length,
  };
  return Object.entries(facts).flatMap(([what, isTrue]) =>
    isTrue ? [`${id} (${state}) ${what}`] : [],
  );
}

/** It passed, or there was nothing for it to do. */
function isSettledVerify({ state, reason }: JobRow): boolean {
  return state === "passed" || /not verified|no packages/.test(reason ?? "");
}
