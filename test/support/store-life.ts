import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { PublishedPackage } from "../../src/shared/package-messages.ts";
import type { Pipeline } from "../../src/domain/pipeline.ts";
import { expireLeases, handBackJob, reportFault } from "../../src/server/store/attempts.ts";
import { cancelBuild, rerunBuild } from "../../src/server/store/builds.ts";
import { ourCard } from "../../src/server/store/job-rows.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { renewLease } from "../../src/server/store/leases.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import {
  expirePublishLeases,
  faultPublish,
  handBackPublish,
  losePublishesOf,
} from "../../src/server/store/publish-attempts.ts";
import { switchPublishes } from "../../src/server/store/publish-switch.ts";
import { claimPublish, failPublish } from "../../src/server/store/publishes.ts";
import { returnWorker } from "../../src/server/store/resume.ts";
import { supersede, supersessionsOf } from "../../src/server/store/supersede.ts";
import type { Random } from "../torture/random.ts";
import { aMonorepo, aPackageStep, aPlanMessage, aRule, aTest, VERIFY } from "./a-pipeline.ts";
import { aPush, type TestStore } from "./a-store.ts";
import { accept, aPackage, headOf, SERVER, switchOf } from "./store-rig.ts";

const ARCHES = ["x86_64", "aarch64"] as const;
const PUBLISHER = "p1";
const TARGETS = [...SERVER.targets, "el10.aarch64", "debian12.aarch64"];
/** Longer than a lease. */
const LONG_MS = 26_000;

interface HeldJob {
  readonly id: string;
  readonly token: string;
  /** What it is for; null before its plan. */
  kind: string | null;
}

interface HeldPublish {
  readonly grant: Extract<PublishGrant, { kind: "build" }>;
  readonly token: string;
}

/** How a worker ends what it holds; `forget`: it was killed. */
const JOB_ENDS = { pass: 65, fail: 10, fault: 10, handBack: 10, forget: 5 } as const;
const PUBLISH_ENDS = { live: 72, fail: 6, fault: 9, handBack: 7, forget: 6 } as const;

/** Forges, workers and people around one store, all drawn: what each does is a legal thing to do. */
export interface StoreLife {
  /** One thing that happens. */
  step(): Promise<void>;
  /** From here on all is well: every lease ends, everything is taken and passes. */
  calmDown(): Promise<void>;
}

export function storeLife({ store, advance }: TestStore, random: Random): StoreLife {
  const jobs: HeldJob[] = [];
  const publishes: HeldPublish[] = [];
  /** What was uploaded: digest of the unsigned file → the package. */
  const made = new Map<string, PublishedPackage>();
  let tokens = 0;
  const newToken = (): string => `token-${(tokens += 1)}`;
  /** A message whose answer was lost is sent again. */
  const send = async <T>(work: () => Promise<T>): Promise<T> => {
    const answer = await work();
    if (random.chance(0.25)) await work();
    return answer;
  };

  async function push(): Promise<void> {
    const ref = random.pick(["refs/heads/main", "refs/heads/main", "refs/tags/v1"]);
    const { made: taken } = await accept(store, aPush({ ref }));
    if (taken === undefined) return;
    for (const pair of await supersessionsOf(store, taken.build.id)) {
      await store.write((tx) => supersede(tx, pair));
    }
  }

  async function claim(): Promise<boolean> {
    const arch = random.pick([...ARCHES, undefined]);
    const token = newToken();
    const granted = await store.write((tx) =>
      claimJob(tx, workerOf(arch), token, arch === undefined ? {} : { arch }),
    );
    if (granted === undefined) return false;
    const { id, kind, specJson } = granted.job;
    jobs.push({ id, token, kind: specJson === null ? null : kind });
    return true;
  }

  async function plan(job: HeldJob): Promise<void> {
    const facts = random.chance(0.3) ? { changes: { p0: [], p1: ["p1/x"] } } : { changes: {} };
    const nothingToDo = random.chance(0.1) ? "nothing" : null;
    const message = aPlanMessage(drawnPipeline(random), { ...facts, nothingToDo });
    const lease = { jobId: job.id, token: job.token };
    const server = { ...SERVER, targets: TARGETS };
    const recorded = await send(() => store.write((tx) => recordPlan(tx, lease, message, server)));
    const spec = recorded?.answer.job;
    if (spec) job.kind = spec.kind;
    else jobs.splice(jobs.indexOf(job), 1);
  }

  async function work(ends: Readonly<Record<keyof typeof JOB_ENDS, number>>): Promise<void> {
    const [first, ...rest] = jobs;
    if (first === undefined) return;
    const job = random.pick([first, ...rest]);
    if (job.kind === null) return await plan(job);
    jobs.splice(jobs.indexOf(job), 1);
    const { id, token } = job;
    const end = random.weighted(ends);
    if (end === "pass") {
      const packages = job.kind === "build" ? drawnPackages() : [];
      const passed = { state: "passed" as const, reason: null, failure: null, packages };
      await send(() => store.write((tx) => endJob(tx, id, token, passed)));
    } else if (end === "fail") {
      const failure = ourCard("INTERNAL", "failed", null);
      const failed = { state: "failed" as const, reason: null, failure, packages: [] };
      await send(() => store.write((tx) => endJob(tx, id, token, failed)));
    } else if (end === "fault") {
      const fault = { code: "INTERNAL" as const, message: "a fault", step: null };
      await send(() => store.write((tx) => reportFault(tx, id, token, fault)));
    } else if (end === "handBack") {
      await send(() => store.write((tx) => handBackJob(tx, id, token)));
    }
  }

  /** Mostly one; now and then its name is taken by other content. */
  function drawnPackages() {
    if (random.chance(0.15)) return [];
    const serial = made.size + 1;
    const name = `n${random.chance(0.1) ? 0 : serial}`;
    const content = String(serial).padStart(64, "0");
    made.set(content, aPackage({ name, content }));
    const fileName = `${name}-1-1.noarch.rpm`;
    return [{ fileName, sha256: content, sizeBytes: 1, target: "el9.x86_64" }];
  }

  async function claimToPublish(): Promise<boolean> {
    const token = newToken();
    const { grant } = await store.write((tx) => claimPublish(tx, PUBLISHER, token));
    if (grant === undefined) return false;
    if (grant.kind !== "build") throw new Error(`Nobody asked for a publish: ${grant.kind}.`);
    publishes.push({ grant, token });
    return true;
  }

  async function publish(ends: Readonly<Record<keyof typeof PUBLISH_ENDS, number>>): Promise<void> {
    const held = publishes.splice(random.integer(0, publishes.length - 1), 1)[0];
    if (held === undefined) return;
    const { grant, token } = held;
    const id = grant.publishId;
    const end = random.weighted(ends);
    const failure = ourCard("INTERNAL", "failed", "publish");
    if (end === "live") await goLive(held);
    else if (end === "fail") {
      await send(() => store.write((tx) => failPublish(tx, id, token, failure)));
    } else if (end === "fault") {
      const fault = { code: "PUBLISH_FAILED" as const, message: "a fault" };
      await send(() => store.write((tx) => faultPublish(tx, id, token, fault)));
    } else if (end === "handBack") {
      await send(() => store.write((tx) => handBackPublish(tx, id, token)));
    }
  }

  async function goLive({ grant, token }: HeldPublish): Promise<void> {
    const { publishId } = grant;
    const packages = grant.packages.flatMap(({ sha256 }) => made.get(sha256) ?? []);
    const bases = await Promise.all(
      grant.channels.map(async ({ name }) => ({
        name,
        base: await headOf(store, name).catch(() => 0),
      })),
    );
    const wishes = bases.map(({ name: channel, base }) =>
      switchOf({ publishId, token, base, channel, packages }),
    );
    const [first] = wishes;
    if (first === undefined) return;
    const request = { ...first, generations: wishes.flatMap(({ generations }) => generations) };
    const { answer } = await send(() => store.write((tx) => switchPublishes(tx, request)));
    if (answer.kind !== "refused" || answer.publishes[0]?.why !== "taken") return;
    const failure = ourCard("INTERNAL", "taken", "publish");
    await store.write((tx) => failPublish(tx, publishId, token, failure));
  }

  async function anyBuild(): Promise<string | undefined> {
    const [first, ...rest] = await store.db.selectFrom("builds").select("id").execute();
    return first && random.pick([first, ...rest]).id;
  }

  async function endLeases(): Promise<void> {
    await store.write(expireLeases);
    await store.write(expirePublishLeases);
  }

  const happenings = {
    push,
    claim,
    work: () => work(JOB_ENDS),
    claimToPublish,
    publish: () => publish(PUBLISH_ENDS),
    cancel: async () => {
      const id = await anyBuild();
      if (id !== undefined) await store.write((tx) => cancelBuild(tx, id, "admin"));
    },
    rerun: async () => {
      const id = await anyBuild();
      const isCompared = random.chance(0.3);
      if (id !== undefined) await store.write((tx) => rerunBuild(tx, id, "admin", { isCompared }));
    },
    timePasses: async () => {
      advance(random.integer(0, 30_000));
      if (random.chance(0.3)) await endLeases();
      for (const { id, token } of jobs) {
        if (random.chance(0.8)) await store.write((tx) => renewLease(tx, id, token));
      }
    },
    workersRestart: async () => {
      const worker = workerOf(random.pick(ARCHES));
      await store.write((tx) => returnWorker(tx, worker, []));
      await store.write((tx) => losePublishesOf(tx, PUBLISHER));
    },
  };
  const weights = {
    push: 10,
    claim: 30,
    work: 30,
    claimToPublish: 10,
    publish: 10,
    cancel: 3,
    rerun: 2,
    timePasses: 10,
    workersRestart: 1,
  } as const satisfies Record<keyof typeof happenings, number>;

  async function workCalmly(): Promise<boolean> {
    let didAny = false;
    while (await claim()) {
      didAny = true;
      while (jobs.length > 0) await work({ ...NONE_OF_JOB, pass: 1 });
    }
    while (await claimToPublish()) {
      didAny = true;
      while (publishes.length > 0) await publish({ ...NONE_OF_PUBLISH, live: 1 });
    }
    return didAny;
  }

  return {
    step: async () => void (await happenings[random.weighted(weights)]()),
    calmDown: async () => {
      jobs.length = 0;
      publishes.length = 0;
      // A fault pauses its job for minutes, and a claim draws which machine asks.
      for (let idle = 0; idle < IDLE_ROUNDS; idle += 1) {
        advance(LONG_MS);
        await endLeases();
        if (await workCalmly()) idle = 0;
      }
    },
  };
}

const NONE_OF_JOB = { pass: 0, fail: 0, fault: 0, handBack: 0, forget: 0 } as const;
const NONE_OF_PUBLISH = { live: 0, fail: 0, fault: 0, handBack: 0, forget: 0 } as const;
const IDLE_ROUNDS = 40;

function workerOf(arch: string | undefined): string {
  return `w-${arch ?? "any"}`;
}

/** One to three projects; some need others, verify, have several targets, or publish nowhere. */
function drawnPipeline(random: Random): Pipeline {
  const count = random.integer(1, 3);
  const nameOf = (index: number): string => (count === 1 ? "" : `p${index}`);
  const projects = Array.from({ length: count }, (_none, index) => ({
    name: nameOf(index),
    path: nameOf(index),
    needs: index > 0 && random.chance(0.4) ? [nameOf(random.integer(0, index - 1))] : [],
    tests: random.chance(0.7) ? [aTest()] : [],
    packages: random.chance(0.75) ? [drawnPackageStep(random, `a${index}`)] : [],
    publish: random.chance(0.8) ? [drawnRule(random)] : [],
  }));
  return aMonorepo(projects, { onNewerPush: random.chance(0.3) ? "cancel" : null });
}

function drawnPackageStep(random: Random, label: string) {
  return aPackageStep({
    label,
    verify: random.chance(0.7) ? VERIFY : null,
    for: random.pick([null, null, ["el9", "el10"], ["el9"]]),
    arch: random.chance(0.3) ? [...ARCHES] : ["x86_64"],
  });
}

function drawnRule(random: Random) {
  return random.chance(0.3) ? aRule({ channel: "testing", branches: ["**"] }) : aRule();
}
