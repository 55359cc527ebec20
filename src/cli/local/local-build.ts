import type { State } from "../../domain/states.ts";
import type { LocalJob, LocalMessage } from "../../shared/local-messages.ts";
import type { ApiBuild, ApiJob, ApiStep } from "../api-types.ts";

export interface LocalBuildFacts {
  readonly repo: string;
  readonly sha: string;
  readonly ref: string;
  readonly message: string;
  readonly startedAt: number;
}

/** What a run has left behind, beside its verdict. */
export interface LeftFile {
  readonly path: string;
  readonly sha256: string;
  readonly isExecutable: boolean;
}

type MutableJob = { -readonly [K in keyof ApiJob]: ApiJob[K] };

/** A run as the API would tell of a build, so that it is shown in the same way. */
export function localBuild(facts: LocalBuildFacts) {
  const jobs: MutableJob[] = [];
  const artifacts: { fileName: string; target: string }[] = [];
  const files: LeftFile[] = [];
  const warnings: string[] = [];
  let end: Extract<LocalMessage, { kind: "end" }> | undefined;

  const jobOf = (id: string): MutableJob => {
    const job = jobs.find((known) => known.id === id);
    if (job === undefined)
      throw new Error(`The runner speaks of a job that it did not plan: ${id}`);
    return job;
  };
  const changeStep = (job: string, name: string, change: Partial<ApiStep>): void => {
    const title = titles.get(`${job} ${name}`);
    const found = jobOf(job);
    found.steps = found.steps.map((step) => (step.name === title ? { ...step, ...change } : step));
  };
  const titles = new Map<string, string>();

  const take = (message: LocalMessage): void => {
    if (message.kind === "planned") {
      for (const job of message.jobs) {
        for (const { name, title } of job.steps) titles.set(`${job.id} ${name}`, title);
        jobs.push(plannedJob(job));
      }
      warnings.push(...message.warnings);
    } else if (message.kind === "job") {
      Object.assign(jobOf(message.job), { state: message.state, attempt: 1 });
    } else if (message.kind === "step") {
      const { state } = message.message;
      changeStep(message.job, message.step, stepChange(message.message));
      if (state !== "running") {
        for (const line of message.message.details?.warnings ?? []) {
          warnings.push(`${titles.get(`${message.job} ${message.step}`) ?? message.step}: ${line}`);
        }
      }
    } else if (message.kind === "kept") files.push(...message.message.files);
    else if (message.kind === "job-end") {
      const job = jobOf(message.job);
      job.state = message.state;
      job.reason = message.reason;
      job.steps = job.steps.map((step) => unfinished(step, message.state));
      for (const { fileName, sha256 } of message.packages) {
        artifacts.push({ fileName, target: job.target ?? "" });
        files.push({ path: fileName, sha256, isExecutable: false });
      }
    } else if (message.kind === "end") end = message;
  };

  return {
    take,
    files,
    warnings,
    titleOf: (job: string, step: string): string => {
      const [name = step, service] = step.split("~");
      const title = titles.get(`${job} ${name}`) ?? name;
      return service === undefined ? title : `${title}/${service}`;
    },
    /** As it is now; `now` in milliseconds. */
    read: (now: number): ApiBuild => ({
      id: "local",
      repo: facts.repo,
      number: 0,
      url: "",
      sha: facts.sha,
      ref: facts.ref,
      message: facts.message,
      authorName: "",
      state: end?.state ?? "running",
      reason: end?.reason ?? null,
      failure: end?.failure ?? null,
      createdAt: instant(facts.startedAt),
      startedAt: instant(facts.startedAt),
      endedAt: end === undefined ? null : instant(now),
      note: null,
      jobs: jobs.map((job) => ({ ...job, steps: [...job.steps] })),
      file: null,
      publish: null,
      packages: [],
      artifacts: [...artifacts],
      timings: {
        waitedMs: 0,
        ranMs: now - facts.startedAt,
        publishMs: null,
        totalMs: now - facts.startedAt,
      },
    }),
  };
}

function plannedJob({ id, name, steps }: LocalJob): MutableJob {
  return {
    id,
    target: name,
    state: "queued",
    reason: null,
    attempt: 0,
    steps: steps.map(({ title, kind, skip }) => ({
      name: title,
      kind,
      state: skip === null ? "queued" : "skipped",
      note: skip,
      startedAt: null,
      durationMs: null,
      url: "",
    })),
  };
}

function stepChange(message: Extract<LocalMessage, { kind: "step" }>["message"]): Partial<ApiStep> {
  const { state, startedAt } = message;
  if (state === "running") return { state, startedAt: instant(startedAt) };
  return {
    state,
    note: message.note,
    startedAt: startedAt === null ? null : instant(startedAt),
    durationMs: startedAt === null ? null : message.endedAt - startedAt,
  };
}

/** A step that had not ended with its job was cut off, or never ran. */
function unfinished(step: ApiStep, state: State): ApiStep {
  if (step.state === "running")
    return { ...step, state: state === "errored" ? state : "cancelled" };
  return step.state === "queued" ? { ...step, state: "skipped" } : step;
}

function instant(at: number): string {
  return new Date(at).toISOString();
}
