import { recordPlan } from "../../../../src/server/store/plans.ts";
import type { Random } from "../../../torture/random.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule, aTest, VERIFY } from "../../a-pipeline.ts";
import { SERVER } from "../../store-rig.ts";
import type { PlannedJob } from "../records/kept.ts";
import type { BothSides } from "./both-sides.ts";

/** A job of both sides, and the token that its worker holds it by. */
export interface PlanningJob {
  /** In the store, and in the model. */
  readonly id: string;
  readonly modelId: string;
  readonly token: string;
}

/** A worker says its plan. False: its job is nothing for it any more. */
export async function plan(both: BothSides, job: PlanningJob): Promise<boolean> {
  const { store, model, random } = both;
  const isPublished = random.chance(0.7);
  const nothingToDo = random.chance(0.1) ? "nothing" : null;
  const message = aPlanMessage(drawnPipeline(random, isPublished), { nothingToDo });
  const lease = { jobId: job.id, token: job.token };
  const server = { ...SERVER, targets: [...SERVER.targets, "debian12.aarch64"] };
  const before = model.lives.buildOfJob(job.modelId);
  const recorded = await store.write((tx) => recordPlan(tx, lease, message, server));
  const isAsked = before.life.build.cancelRequestedAt !== null;
  const isEmpty = isAsked || nothingToDo !== null;
  const planned = isEmpty ? [] : await plannedJobs(both, job.id);
  const facts = { nothingToDo, publishes: isPublished };
  const own = model.jobs.plan({ id: job.modelId, token: job.token }, planned, facts);
  both.agree(`plan by ${job.id}`, recorded?.answer.job != null, own !== undefined);
  return own !== undefined;
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

/** As the store took them up; the planner's job kept its id. */
async function plannedJobs({ store }: BothSides, jobId: string): Promise<readonly PlannedJob[]> {
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
