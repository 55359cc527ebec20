import { handBackJob, reportFault } from "../../../../src/server/store/attempts.ts";
import { ourCard } from "../../../../src/server/store/job-rows.ts";
import { claimJob, endJob } from "../../../../src/server/store/jobs.ts";
import { renewLease } from "../../../../src/server/store/leases.ts";
import { noteGoodbye, returnWorker } from "../../../../src/server/store/resume.ts";
import { aPackage } from "../../store-rig.ts";
import { one, remove, type BothSides } from "./both-sides.ts";
import { plan, type PlanningJob } from "./plans-beside.ts";

interface HeldJob extends PlanningJob {
  token: string;
  readonly worker: string;
  isPlanned: boolean;
}

/** What build workers do, on both sides. */
export class JobsBeside {
  readonly #both: BothSides;
  readonly #held: HeldJob[] = [];
  /** Tokens that were good once, for those who come too late. */
  readonly #old: { readonly job: HeldJob; readonly token: string }[] = [];

  constructor(both: BothSides) {
    this.#both = both;
  }

  async claim(): Promise<void> {
    const { store, model, random } = this.#both;
    const serial = this.#both.nextNumber();
    const token = `t${serial}`;
    const worker = `w${serial}`;
    const arch = random.pick(["x86_64", "x86_64", "aarch64"]);
    const granted = await store.write((tx) => claimJob(tx, worker, token, { arch }));
    if (granted === undefined) return;
    const { id, specJson } = granted.job;
    const modelId = await this.#modelIdOf(id);
    const job = model.jobs.claim(model.lives.job(modelId), worker, arch, token);
    this.#both.agree(`claim of ${id}`, true, job !== undefined);
    this.#held.push({ id, modelId, token, worker, isPlanned: specJson !== null });
  }

  async #modelIdOf(id: string): Promise<string> {
    const row = await this.#both.store.db
      .selectFrom("jobs")
      .select(["buildId", "position"])
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    const { life } = await this.#both.buildOf(row.buildId);
    return one(life.jobs[row.position]).id;
  }

  /** The next thing about a job: its plan, or how it ended. */
  async work(): Promise<void> {
    const job = this.#both.drawn(this.#held);
    if (job === undefined) return;
    if (job.isPlanned) {
      remove(this.#held, job);
      this.#old.push({ job, token: job.token });
      return await this.#end(job, job.token);
    }
    const isOwn = await plan(this.#both, job);
    job.isPlanned = true;
    if (!isOwn) remove(this.#held, job);
  }

  /** Somebody says again, or too late, what was good once. */
  async stale(): Promise<void> {
    const late = this.#both.drawn(this.#old);
    if (late !== undefined) await this.#end(late.job, late.token);
  }

  async #end(job: HeldJob, token: string): Promise<void> {
    const { random } = this.#both;
    const how = random.weighted({ pass: 20, fail: 2, fault: 2, handBack: 2, forget: 1 });
    if (how === "pass") await this.#finish(job, token, "passed");
    if (how === "fail") await this.#finish(job, token, "failed");
    if (how === "fault" || how === "handBack") await this.#lose(job, token, how);
  }

  async #finish({ id, modelId }: HeldJob, token: string, state: "passed" | "failed") {
    const { store, model } = this.#both;
    const isPassed = state === "passed";
    const failure = isPassed ? null : ourCard("INTERNAL", "failed", null);
    const makesPackages = isPassed && model.lives.job(modelId).kind === "build";
    const packages = makesPackages ? [this.#newPackage()] : [];
    const message = { state, reason: null, failure, packages };
    const taken = await store.write((tx) => endJob(tx, id, token, message));
    const end = { state, reason: null, failureTitle: failure?.title ?? null };
    const told = model.jobs.end({ id: modelId, token }, end, makesPackages);
    this.#both.agree(`end of ${id}`, taken !== undefined, told === "ended");
  }

  #newPackage() {
    const serial = this.#both.nextNumber();
    const name = `n${serial}`;
    const content = String(serial).padStart(64, "0");
    this.#both.made.set(content, aPackage({ name, content }));
    const fileName = `${name}-1-1.noarch.rpm`;
    return { fileName, sha256: content, sizeBytes: 1, target: "el9.x86_64" };
  }

  async #lose({ id, modelId }: HeldJob, token: string, how: "fault" | "handBack"): Promise<void> {
    const { store, model } = this.#both;
    const fault = { code: "INTERNAL" as const, message: "a fault", step: null };
    const taken = await store.write((tx) =>
      how === "fault" ? reportFault(tx, id, token, fault) : handBackJob(tx, id, token),
    );
    const kind = how === "fault" ? "infra-fault" : "handed-back";
    const told = model.jobs.fault({ id: modelId, token }, kind);
    this.#both.agree(`${how} of ${id}`, taken !== undefined, told);
  }

  /** Most of those who hold a job say that they are there. */
  async renew(): Promise<void> {
    const { store, model, random } = this.#both;
    for (const { id, modelId, token } of this.#held) {
      if (random.chance(0.2)) continue;
      const renewed = await store.write((tx) => renewLease(tx, id, token));
      const told = model.jobs.renew({ id: modelId, token });
      this.#both.agree(`lease of ${id}`, renewed !== undefined, told !== "stale");
    }
  }

  /** A worker starts again; it said goodbye before, or crashed. */
  async restart(): Promise<void> {
    const { store, model, random } = this.#both;
    const job = this.#both.drawn(this.#held);
    if (job === undefined) return;
    const { id: jobId, modelId, token, worker } = job;
    const nextToken = `t${this.#both.nextNumber()}`;
    if (random.chance(0.3)) {
      await store.write((tx) => noteGoodbye(tx, worker));
      model.jobs.goodbye({ id: modelId, token });
    }
    const held = [{ jobId, token, nextToken, wasWorkedOn: true, logs: [] }];
    const { resumed } = await store.write((tx) => returnWorker(tx, worker, held));
    const answer = model.jobs.comeBack({ id: modelId, token }, nextToken, 0);
    this.#both.agree(`return to ${jobId}`, resumed.length > 0, answer === "resumed");
    this.#old.push({ job, token });
    job.token = nextToken;
    if (answer === "gone") remove(this.#held, job);
  }
}
