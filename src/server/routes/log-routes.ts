import { pipeline } from "node:stream/promises";
import type { Request, Response } from "express";
import { isFinal } from "../../domain/states.ts";
import { ROWS_MAX, type RowsWanted } from "../log-lines.ts";
import { removedAnswer } from "../removed-logs.ts";
import type { BuildView, JobView, LogKey, StepView } from "../views.ts";
import { queryInteger, queryText, type RouteDeps } from "./web-deps.ts";

const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };
const ROWS_DEFAULT = 200;
const LINE_FEED = 0x0a;

/**
 * The bytes of a step's log as they came, from a byte offset (`from`) or its last bytes (`tail`).
 * Without a step: all steps of the job, one after the other, each under a line with its name.
 */
export function logTextRoute(deps: RouteDeps) {
  return async (build: BuildView, request: Request, response: Response): Promise<void> => {
    const jobs = jobsAt(build, request);
    if (jobs === undefined) return noSuchAttempt(build, request, response);
    const job = jobOf(jobs, request);
    const from = queryInteger(request, "from", ANY);
    const tail = queryInteger(request, "tail", ANY);
    const name = queryText(request, "step");
    if (job === undefined) return noSuchStep(build, response);
    if (isRemoved(build, response)) return;
    if (from === "bad" || tail === "bad")
      return refuse(response, "from and tail are numbers of bytes.");
    if (name === undefined && (from !== undefined || tail !== undefined)) {
      return refuse(response, "from and tail need a step: offsets are those of one log.");
    }
    const only = name === undefined ? undefined : findLog(job, name);
    if (name !== undefined && only === undefined) return noSuchStep(build, response);

    response.type("text/plain; charset=utf-8");
    if (queryText(request, "format") === "raw") {
      const label = only === undefined ? "" : `-${only}`;
      response.attachment(`${build.repo.replaceAll("/", "-")}-${build.number}${label}.log`);
      response.type("text/plain; charset=utf-8");
    }
    if (only === undefined) return await copy(allLogs(deps, build, job), response);
    const log = keyOf(build, job, only);
    const sizeBytes = await deps.logs.sizeOf(log);
    const start = tail === undefined ? (from ?? 0) : Math.max(0, sizeBytes - tail);
    response.set({ "Tatara-Log-From": String(start), "Tatara-Log-Size": String(sizeBytes) });
    const recent = await deps.logs.recent(log, start);
    if (recent === undefined) await copy(deps.logs.stream(log, start), response);
    else response.end(recent);
  };
}

async function* allLogs(
  deps: RouteDeps,
  build: BuildView,
  job: LogsOfJob,
): AsyncGenerator<Uint8Array | string> {
  for (const step of job.steps) {
    if (step.startedAt === null) continue;
    yield `==> ${step.name} <==\n`;
    let lastByte = LINE_FEED;
    for await (const chunk of deps.logs.stream(keyOf(build, job, step.name), 0)) {
      const bytes = Buffer.from(chunk);
      lastByte = bytes.at(-1) ?? lastByte;
      yield bytes;
    }
    if (lastByte !== LINE_FEED) yield "\n";
  }
}

async function copy(
  from: NodeJS.ReadableStream | AsyncIterable<Uint8Array | string>,
  response: Response,
): Promise<void> {
  try {
    await pipeline(from, response);
  } catch (err) {
    // The reader went away; there is nobody left to tell.
    if (!response.destroyed) throw err;
  }
}

/** Rows as the log view draws them: `from` and `count`, the last (`tail`), or those around a `line`. */
export function logRowsRoute(deps: RouteDeps) {
  return async (build: BuildView, request: Request, response: Response): Promise<void> => {
    const jobs = jobsAt(build, request);
    if (jobs === undefined) return noSuchAttempt(build, request, response);
    const job = jobOf(jobs, request);
    const name = queryText(request, "step");
    const log = job === undefined || name === undefined ? undefined : findLog(job, name);
    if (job === undefined || log === undefined) return noSuchStep(build, response);
    if (isRemoved(build, response)) return;
    const wanted = wantedOf(request);
    if (wanted === undefined) {
      return refuse(response, `from, tail and line are numbers; count is at most ${ROWS_MAX}.`);
    }
    const answer = await deps.lines.read(keyOf(build, job, log), wanted);
    response.json({
      from: answer.from,
      totalRows: answer.totalRows,
      totalLines: answer.totalLines,
      sizeBytes: answer.sizeBytes,
      rows: answer.rows.map((row) => [row.isContinued ? 0 : row.line, row.html]),
    });
  };
}

function wantedOf(request: Request): RowsWanted | undefined {
  const count = queryInteger(request, "count", { min: 1, max: ROWS_MAX }) ?? ROWS_DEFAULT;
  const from = queryInteger(request, "from", ANY);
  const tail = queryInteger(request, "tail", { min: 1, max: ROWS_MAX });
  const line = queryInteger(request, "line", ANY);
  if (count === "bad" || from === "bad" || tail === "bad" || line === "bad") return undefined;
  if (from !== undefined) return { from, count };
  return line === undefined ? { tail: tail ?? count } : { aroundLine: line, count };
}

/** What of a job has logs: the steps of its newest attempt, or of one that was lost. */
interface LogsOfJob extends Pick<JobView, "id" | "attempt"> {
  readonly steps: readonly Pick<StepView, "name" | "state" | "startedAt" | "details">[];
}

/** All jobs as they are, or as they were in the attempt that is asked for; undefined: there was none. */
function jobsAt(build: BuildView, request: Request): readonly LogsOfJob[] | undefined {
  const attempt = queryInteger(request, "attempt", { min: 1, max: Number.MAX_SAFE_INTEGER });
  if (attempt === undefined) return build.jobs;
  const jobs = build.jobs.flatMap((job): readonly LogsOfJob[] => {
    const lost = job.lostAttempts?.find((one) => one.attempt === attempt);
    if (lost === undefined) return job.attempt === attempt ? [job] : [];
    const steps = lost.steps.map((name) => {
      return { name, state: "errored", startedAt: lost.endedAt, details: null } as const;
    });
    return [{ id: job.id, attempt: lost.attempt, steps }];
  });
  return jobs.length === 0 ? undefined : jobs;
}

/** The job that is asked for; else the first that has the step, or the first of all. */
function jobOf(jobs: readonly LogsOfJob[], request: Request): LogsOfJob | undefined {
  const id = queryText(request, "job");
  if (id !== undefined) return jobs.find((job) => job.id === id);
  const log = queryText(request, "step");
  const found = log === undefined ? undefined : jobs.find((job) => findLog(job, log));
  return found ?? jobs[0];
}

const SERVICE_LOG = /^([a-z0-9._-]+)[~/]([a-z0-9][a-z0-9._-]{0,62})$/;

/** The log's name: a step's, or that of a service beside it, `unit-22~db`, shown as `unit-22/db`. */
function findLog({ steps }: LogsOfJob, wanted: string): string | undefined {
  if (steps.some(({ name }) => name === wanted)) return wanted;
  const [, stepName, service = ""] = SERVICE_LOG.exec(wanted) ?? [];
  const step = steps.find(({ name }) => name === stepName);
  if (step === undefined) return undefined;
  // While it runs nobody has said yet which services it has.
  const isThere = step.details?.services.includes(service) ?? !isFinal(step.state);
  return isThere ? `${step.name}~${service}` : undefined;
}

/** True: it is answered. An empty log would say that nothing was printed. */
function isRemoved(build: BuildView, response: Response): boolean {
  const answer = removedAnswer(build, "log");
  if (answer !== undefined) response.status(410).json(answer);
  return answer !== undefined;
}

function keyOf(build: BuildView, job: LogsOfJob, log: string): LogKey {
  return { buildId: build.id, jobId: job.id, attempt: job.attempt, step: log };
}

function noSuchAttempt(build: BuildView, request: Request, response: Response): void {
  const known = build.jobs.flatMap(({ attempt, lostAttempts = [] }) => [
    attempt,
    ...lostAttempts.map((lost) => lost.attempt),
  ]);
  const numbers = [...new Set(known)].filter((number) => number > 0).toSorted((a, b) => a - b);
  response.status(404).json({
    error: `No job of the build has an attempt ${queryText(request, "attempt") ?? ""}.`,
    hint: numbers.length === 0 ? "None has begun." : `There is: ${numbers.join(", ")}.`,
  });
}

function noSuchStep(build: BuildView, response: Response): void {
  const names = new Set(build.jobs.flatMap(({ steps }) => steps.map(({ name }) => name)));
  response.status(404).json({
    error: "The build has no such job or step.",
    hint:
      names.size === 0 ? "Its steps are not known yet." : `Its steps: ${[...names].join(", ")}.`,
  });
}

function refuse(response: Response, error: string): void {
  response.status(400).json({ error });
}
