import { expireLeases, handBackJob, reportFault } from "../../../src/server/store/attempts.ts";
import { cancelBuild, rerunBuild } from "../../../src/server/store/builds.ts";
import { recordPush } from "../../../src/server/store/deliveries.ts";
import { ourCard } from "../../../src/server/store/job-rows.ts";
import { claimJob, endJob } from "../../../src/server/store/jobs.ts";
import { renewLease } from "../../../src/server/store/leases.ts";
import { answerStatus, claimStatuses } from "../../../src/server/store/outbox.ts";
import { recordPlan } from "../../../src/server/store/plans.ts";
import {
  expirePublishLeases,
  faultPublish,
  handBackPublish,
} from "../../../src/server/store/publish-attempts.ts";
import { switchPublishes } from "../../../src/server/store/publish-switch.ts";
import { claimPublish, failPublish } from "../../../src/server/store/publishes.ts";
import { noteGoodbye, returnWorker } from "../../../src/server/store/resume.ts";
import type { PublishGrant } from "../../../src/shared/publish-grants.ts";
import type { PublishedPackage } from "../../../src/shared/package-messages.ts";
import type { ReportAnswer, WantedStatus } from "../../../src/shared/report-messages.ts";
import type { Random } from "../../torture/random.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule, aTest, VERIFY } from "../a-pipeline.ts";
import { aPush, anIntake, type TestStore } from "../a-store.ts";
import { aPackage, headOf, SERVER, switchOf } from "../store-rig.ts";
import { compare } from "./compare-store.ts";
import type { Build, PlannedJob } from "./kept.ts";
import { Records, WAITING_MAX } from "./records.ts";
import { RULES } from "./rules.ts";

interface HeldJob {
  /** In the store, and in the model. */
  readonly id: string;
  readonly modelId: string;
  token: string;
  readonly worker: string;
  isPlanned: boolean;
  readonly kind: () => string;
}

interface HeldPublish {
  readonly grant: Extract<PublishGrant, { kind: "build" }>;
  readonly modelId: string;
  readonly token: string;
}

/** The real store and the model of it, to which the same things happen. */
export interface BesideStore {
  readonly model: Records;
  step(): Promise<void>;
  /** What differs between the two now. */
  differences(): Promise<readonly string[]>;
}

export function besideStore({ store, advance }: TestStore, random: Random): BesideStore {
  const model = new Records(RULES);
  const jobs: HeldJob[] = [];
  const publishes: HeldPublish[] = [];
  const statuses: WantedStatus[] = [];
  /** Tokens that were good once, for those who come too late. */
  const old: { readonly job: HeldJob; readonly token: string }[] = [];
  const made = new Map<string, PublishedPackage>();
  const answers: string[] = [];
  let serial = 0;
  const next = (): number => (serial += 1);
  model.now = store.now();

  /** Both must have taken what was said, or have refused it. */
  const agree = (what: string, inStore: boolean, inModel: boolean): void => {
    if (inStore !== inModel) answers.push(`${what}: store ${inStore}, model ${inModel}`);
  };
  const buildOf = async (id: string): Promise<Build> => {
    const { number } = await store.db
      .selectFrom("builds")
      .select("number")
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return one(model.builds[number - 1]);
  };
  const modelJob = async (id: string): Promise<string> => {
    const row = await store.db
      .selectFrom("jobs")
      .select(["buildId", "position"])
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return one((await buildOf(row.buildId)).life.jobs[row.position]).id;
  };

  async function push(): Promise<void> {
    const after = `${random.integer(1, 6)}`.padStart(40, "a");
    const deliveryId = `d${random.integer(1, 40)}`;
    const known = model.deliveries.find(({ id }) => id === deliveryId);
    const sha = known?.build.sha ?? after;
    const named = { deliveryId, bodyDigest: deliveryId };
    const limits = { waitingBuildsMax: WAITING_MAX };
    await store.write((tx) => recordPush(tx, anIntake(aPush({ after: sha }), named), limits));
    model.push(deliveryId, sha, sha);
  }

  async function claim(): Promise<void> {
    const token = `t${next()}`;
    const worker = `w${serial}`;
    const arch = random.pick(["x86_64", "x86_64", "aarch64"]);
    const granted = await store.write((tx) => claimJob(tx, worker, token, { arch }));
    if (granted === undefined) return;
    const id = granted.job.id;
    const modelId = await modelJob(id);
    const job = model.claim(model.job(modelId), worker, arch, token);
    agree(`claim of ${id}`, true, job !== undefined);
    const kind = (): string => model.job(modelId).kind;
    jobs.push({ id, modelId, token, worker, isPlanned: granted.job.specJson !== null, kind });
  }

  async function plan(job: HeldJob): Promise<void> {
    const isPublished = random.chance(0.7);
    const nothingToDo = random.chance(0.1) ? "nothing" : null;
    const message = aPlanMessage(drawnPipeline(random, isPublished), { nothingToDo });
    const lease = { jobId: job.id, token: job.token };
    const server = { ...SERVER, targets: [...SERVER.targets, "debian12.aarch64"] };
    const before = model.buildOfJob(job.modelId);
    const recorded = await store.write((tx) => recordPlan(tx, lease, message, server));
    const isAsked = before.life.build.cancelRequestedAt !== null;
    const planned = isAsked ? [] : await plannedJobs(job.id, nothingToDo);
    const facts = { nothingToDo, publishes: isPublished };
    const own = model.plan({ id: job.modelId, token: job.token }, planned, facts);
    agree(`plan by ${job.id}`, recorded?.answer.job != null, own !== undefined);
    job.isPlanned = true;
    if (own === undefined) jobs.splice(jobs.indexOf(job), 1);
  }

  /** As the store took them up; the planner's job kept its id. */
  async function plannedJobs(jobId: string, nothing: string | null): Promise<PlannedJob[]> {
    if (nothing !== null) return [];
    const { buildId } = await store.db
      .selectFrom("jobs")
      .select("buildId")
      .where("id", "=", jobId)
      .executeTakeFirstOrThrow();
    const rows = await store.db
      .selectFrom("jobs")
      .selectAll()
      .where("buildId", "=", buildId)
      .orderBy("position")
      .execute();
    const ids = rows.map(({ id }) => id);
    return rows.map(({ kind, state, reason, needsJson, arch }) => {
      const needs = (JSON.parse(needsJson) as string[]).map((id) => ids.indexOf(id));
      const skip = state === "skipped" ? reason : null;
      return { kind, skip, arch, needs, needsCount: needs.length };
    });
  }

  async function work(): Promise<void> {
    const job = drawn(jobs);
    if (job === undefined) return;
    if (!job.isPlanned) return await plan(job);
    jobs.splice(jobs.indexOf(job), 1);
    old.push({ job, token: job.token });
    await end(job, job.token);
  }

  async function end(job: HeldJob, token: string): Promise<void> {
    const { id, modelId } = job;
    const lease = { id: modelId, token };
    const how = random.weighted({ pass: 20, fail: 2, fault: 2, handBack: 2, forget: 1 });
    if (how === "forget") return;
    if (how === "pass" || how === "fail") {
      const isPassed = how === "pass";
      const failure = isPassed ? null : ourCard("INTERNAL", "failed", null);
      const packages = isPassed && job.kind() === "build" ? [drawnPackage()] : [];
      const state = isPassed ? ("passed" as const) : ("failed" as const);
      const message = { state, reason: null, failure, packages };
      const taken = await store.write((tx) => endJob(tx, id, token, message));
      const failureTitle = failure?.title ?? null;
      const told = model.end(lease, { state, reason: null, failureTitle }, packages.length > 0);
      return agree(`end of ${id}`, taken !== undefined, told === "ended");
    }
    const fault = { code: "INTERNAL" as const, message: "a fault", step: null };
    const taken = await store.write((tx) =>
      how === "fault" ? reportFault(tx, id, token, fault) : handBackJob(tx, id, token),
    );
    const told = model.fault(lease, how === "fault" ? "infra-fault" : "handed-back");
    agree(`${how} of ${id}`, taken !== undefined, told);
  }

  /** Somebody says again, or too late, what was good once. */
  async function stale(): Promise<void> {
    const late = drawn(old);
    if (late !== undefined) await end(late.job, late.token);
  }

  function drawnPackage() {
    const name = `n${next()}`;
    const content = String(serial).padStart(64, "0");
    made.set(content, aPackage({ name, content }));
    const fileName = `${name}-1-1.noarch.rpm`;
    return { fileName, sha256: content, sizeBytes: 1, target: "el9.x86_64" };
  }

  async function takePublish(): Promise<void> {
    const token = `t${next()}`;
    const { grant } = await store.write((tx) => claimPublish(tx, "p1", token));
    if (grant === undefined) return;
    if (grant.kind !== "build") throw new Error(`Nobody asked for a publish: ${grant.kind}.`);
    const { buildId, purpose } = await store.db
      .selectFrom("publishes")
      .select(["buildId", "purpose"])
      .where("id", "=", grant.publishId)
      .executeTakeFirstOrThrow();
    const { life } = await buildOf(one(buildId ?? undefined));
    const publish = one(life.publishes.find((some) => some.purpose === purpose));
    model.claimPublish(publish, "p1", token);
    publishes.push({ grant, modelId: publish.id, token });
  }

  async function publish(): Promise<void> {
    const held = drawn(publishes);
    if (held === undefined) return;
    publishes.splice(publishes.indexOf(held), 1);
    const { grant, token } = held;
    const id = grant.publishId;
    const lease = { id: held.modelId, token };
    const how = random.weighted({ live: 12, fail: 1, fault: 2, handBack: 1, forget: 1 });
    if (how === "forget") return;
    if (how === "live") return await goLive(held);
    if (how === "fail") {
      const failure = ourCard("INTERNAL", "failed", "publish");
      const taken = await store.write((tx) => failPublish(tx, id, token, failure));
      const told = model.finishPublish(lease, "failed");
      return agree(`failure of ${id}`, taken !== undefined, told === "ended");
    }
    const fault = { code: "PUBLISH_FAILED" as const, message: "a fault" };
    const taken = await store.write((tx) =>
      how === "fault" ? faultPublish(tx, id, token, fault) : handBackPublish(tx, id, token),
    );
    const told = model.losePublish(lease, how === "fault" ? "infra-fault" : "handed-back");
    agree(`${how} of ${id}`, taken !== undefined, told);
  }

  async function goLive({ grant, modelId, token }: HeldPublish): Promise<void> {
    const { publishId } = grant;
    const packages = grant.packages.flatMap(({ sha256 }) => made.get(sha256) ?? []);
    const channel = one(grant.channels[0]).name;
    const base = await headOf(store, channel);
    const request = switchOf({ publishId, token, base, channel, packages });
    const { answer } = await store.write((tx) => switchPublishes(tx, request));
    const told = model.finishPublish({ id: modelId, token }, "live");
    const isLive = told === "ended" && model.publish(modelId).state === "live";
    agree(`switch of ${publishId}`, answer.kind === "live", isLive);
  }

  async function post(): Promise<void> {
    if (random.chance(0.5)) return await takeStatuses();
    const held = drawn(statuses);
    if (held === undefined) return;
    statuses.splice(statuses.indexOf(held), 1);
    const results: readonly ReportAnswer["result"][] = [
      { kind: "sent" },
      { kind: "later", afterMs: 0, wholeCredential: false, reason: "stopped" },
      { kind: "later", afterMs: 5_000, wholeCredential: false, reason: "broken" },
      { kind: "terminal", reason: "gone" },
    ];
    const result = random.chance(0.6) ? one(results[0]) : one(drawn(results));
    const answer = { lease: held.lease, version: held.version, result };
    const taken = await store.write((tx) => answerStatus(tx, held.id, answer));
    agree(`answer for ${held.sha}`, taken, model.outbox.answer(held.sha, answer, model.now));
  }

  async function takeStatuses(): Promise<void> {
    const due = new Set(model.outbox.due(model.now));
    const claimed = await store.write(claimStatuses);
    for (const { sha } of claimed) agree(`status of ${sha} is due`, true, due.has(sha));
    for (const { sha, lease } of claimed) model.outbox.claim(sha, lease, model.now);
    statuses.push(...claimed);
  }

  async function wait(): Promise<void> {
    advance(random.integer(0, 40_000));
    model.now = store.now();
    await store.write(expireLeases);
    await store.write(expirePublishLeases);
    model.expire();
    for (const { id, modelId, token } of jobs) {
      if (random.chance(0.2)) continue;
      const renewed = await store.write((tx) => renewLease(tx, id, token));
      agree(
        `lease of ${id}`,
        renewed !== undefined,
        model.renew({ id: modelId, token }) !== "stale",
      );
    }
  }

  async function restart(): Promise<void> {
    const job = drawn(jobs);
    if (job === undefined) return;
    const { id: jobId, modelId, token, worker } = job;
    const nextToken = `t${next()}`;
    if (random.chance(0.3)) {
      await store.write((tx) => noteGoodbye(tx, worker));
      model.goodbye({ id: modelId, token });
    }
    const held = [{ jobId, token, nextToken, wasWorkedOn: true, logs: [] }];
    const { resumed } = await store.write((tx) => returnWorker(tx, worker, held));
    const answer = model.comeBack({ id: modelId, token }, nextToken, 0);
    agree(`return to ${jobId}`, resumed.length > 0, answer === "resumed");
    old.push({ job, token });
    job.token = nextToken;
    if (answer === "gone") jobs.splice(jobs.indexOf(job), 1);
  }

  async function onBuild(work: (id: string, build: Build) => Promise<void>): Promise<void> {
    const rows = await store.db.selectFrom("builds").select("id").execute();
    const row = drawn(rows);
    if (row !== undefined) await work(row.id, await buildOf(row.id));
  }

  const drawn = <T>(from: readonly T[]): T | undefined =>
    from[random.integer(0, Math.max(0, from.length - 1))];
  const happenings = {
    push,
    claim,
    work,
    stale,
    takePublish,
    publish,
    post,
    wait,
    restart,
    cancel: () =>
      onBuild(async (id, build) => {
        const { result } = await store.write((tx) => cancelBuild(tx, id, "admin"));
        const told = model.cancel(build, "admin");
        agree(`cancel of ${id} as ${result} and ${told}`, true, result === told);
      }),
    rerun: () =>
      onBuild(async (id, build) => {
        const { kind } = await store.write((tx) => rerunBuild(tx, id, "admin"));
        agree(`rerun of ${id}`, kind === "queued", model.rerun(build) !== undefined);
      }),
  };
  const weights = {
    push: 8,
    claim: 20,
    work: 34,
    stale: 6,
    takePublish: 12,
    publish: 12,
    post: 10,
    wait: 5,
    restart: 4,
    cancel: 3,
    rerun: 2,
  } as const satisfies Record<keyof typeof happenings, number>;

  return {
    model,
    step: async () => await happenings[random.weighted(weights)](),
    differences: async () => [...answers.splice(0), ...(await compare(store.db, model))],
  };
}

/** One project, in one or two targets, verified or not, published or not. */
function drawnPipeline(random: Random, isPublished: boolean) {
  const step = aPackageStep({
    verify: random.chance(0.5) ? VERIFY : null,
    arch: random.chance(0.3) ? ["x86_64", "aarch64"] : ["x86_64"],
  });
  return aPipeline({
    tests: [aTest()],
    packages: random.chance(0.8) ? [step] : [],
    publish: isPublished ? [aRule()] : [],
  });
}

function one<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error("The model has no such thing.");
  return thing;
}
