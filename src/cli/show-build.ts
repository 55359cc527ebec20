import type { FailureCard } from "../shared/message-parts.ts";
import { branchOf } from "../domain/push.ts";
import { isFinal } from "../domain/states.ts";
import type { State } from "../domain/states.ts";
import type { ApiBuild, ApiBuildSummary, ApiJob, ApiPublish } from "./api-types.ts";
import type { Ink, Line, Piece } from "./print.ts";

/** As wide as `skipped`; where nothing but `ok` is expected, narrower. */
const WORD_COLUMNS = 8;
const NAME_COLUMNS = 13;
const NAME_COLUMNS_MAX = 33;
const TIME_COLUMNS = 7;
const EXCERPT_LINES_MAX = 20;

const LOOK = {
  queued: { word: "queued", ink: "dim" },
  running: { word: "running", ink: "blue" },
  passed: { word: "ok", ink: "green" },
  failed: { word: "failed", ink: "red" },
  errored: { word: "errored", ink: "yellow" },
  cancelled: { word: "cancelled", ink: "dim" },
  skipped: { word: "skipped", ink: "dim" },
} as const satisfies Record<State, { readonly word: string; readonly ink: Ink }>;

const WHOSE = {
  code: "your code or tests",
  file: "a file of the repository",
  network: "the network or a registry",
  ours: "Tatara itself, not your code",
} as const satisfies Record<FailureCard["kind"], string>;

export function stateWord(state: State): Piece {
  const { word, ink } = LOOK[state];
  return { ink, text: word };
}

/** `acme/hello #1  main 3f2a9c1  first commit` */
export function headerLine(build: ApiBuildSummary): Line {
  return [
    { ink: "bold", text: `${build.repo} #${build.number}` },
    `  ${refName(build.ref)} ${shortSha(build.sha)}`.trimEnd(),
    `  ${build.message.split("\n")[0] ?? ""}`,
  ];
}

/** `  ok      image         9s     layers 3/4 from cache` */
export function resultLine(
  line: Pick<Result, "state" | "name" | "durationMs" | "note">,
  wordColumns = WORD_COLUMNS,
  nameColumns = NAME_COLUMNS,
): Line {
  const { word, ink } = LOOK[line.state];
  const time = line.durationMs === null ? "" : formatMs(line.durationMs);
  return [
    "  ",
    { ink, text: word.padEnd(wordColumns - 1) },
    " ",
    // One that is longer still ends before the time begins.
    `${line.name.padEnd(nameColumns - 1)} `,
    time.padEnd(TIME_COLUMNS),
    line.note ?? "",
  ];
}

/** As wide as the longest name with the space behind it, within reason. */
export function nameColumnsOf(results: readonly Pick<Result, "name">[]): number {
  const longest = Math.max(0, ...results.map(({ name }) => name.length));
  return Math.min(NAME_COLUMNS_MAX, Math.max(NAME_COLUMNS, longest + 1));
}

/** A step, or the publish, as one line shows it. */
export interface Result {
  readonly key: string;
  readonly state: State;
  readonly name: string;
  readonly durationMs: number | null;
  readonly startedAt: string | null;
  readonly note: string | null;
  /** Nothing that belongs on its line is still to come. */
  readonly isComplete: boolean;
}

/** All steps of a build's jobs and its publish, in the order in which they happen. */
export function resultsOf(build: ApiBuild): readonly Result[] {
  const steps = build.jobs.flatMap((job) =>
    job.state === "skipped" ? [skippedJob(job)] : stepResults(job, build),
  );
  return build.publish === null ? steps : [...steps, publishResult(build.publish)];
}

/** No test and no package of it ran: one line says why. */
function skippedJob({ id, name, project, target, reason, steps }: ApiJob): Result {
  return {
    key: `${id} skipped`,
    state: "skipped",
    // A project that was left out has nothing planned; of others one job of several may be skipped.
    name: (steps.length === 0 && project ? project : name) ?? target ?? "job",
    durationMs: null,
    startedAt: null,
    note: reason,
    isComplete: true,
  };
}

function stepResults(job: ApiJob, build: ApiBuild): readonly Result[] {
  // A job that verifies is told from the one whose packages it installs by its step.
  const names = new Set(build.jobs.map(nameOfJob));
  const jobName = names.size > 1 ? nameOfJob(job) : null;
  const lastPackage = job.steps.findLast(({ kind }) => kind === "package");
  return job.steps.map((step): Result => {
    const { state, durationMs, startedAt } = step;
    const key = `${job.id} ${job.attempt} ${step.name}`;
    const name = jobName === null ? step.name : `${step.name} (${jobName})`;
    const made = step === lastPackage && state === "passed" ? packagesOf(job, build) : null;
    // What the package steps made is known once the job has sent it.
    const isComplete = step !== lastPackage || made !== null || isFinal(job.state);
    return { key, state, name, durationMs, startedAt, note: step.note ?? made, isComplete };
  });
}

function nameOfJob({ name, target }: ApiJob): string | null {
  return (name ?? target)?.replace(/ verify$/, "") ?? null;
}

/** Names of what a job made, for its last package step. */
function packagesOf(job: ApiJob, { jobs, artifacts }: ApiBuild): string | null {
  const rivals = jobs.filter(
    ({ target, state, steps }) =>
      target === job.target && state !== "skipped" && steps.some(({ kind }) => kind === "package"),
  );
  // Artifacts tell no job: of several with one target, only the last can speak for all.
  if (rivals.at(-1) !== job) return null;
  const names = artifacts
    .filter(({ target }) => target === job.target)
    .map(({ fileName }) => fileName.replace(/\.rpm$/, ""));
  return names.filter((name) => !/\.src$|-debug(info|source)-/.test(name)).join(", ") || null;
}

const STATE_OF_PUBLISH = {
  queued: "queued",
  running: "running",
  live: "passed",
  failed: "failed",
  errored: "errored",
  cancelled: "cancelled",
} as const satisfies Record<ApiPublish["state"], State>;

function publishResult(publish: ApiPublish): Result {
  const generations = publish.generations.map(
    ({ channel, number }) => `${channel}, generation ${number}`,
  );
  const signed =
    publish.keyFingerprint === null ? "" : `signed ${publish.keyFingerprint.slice(-4)}`;
  const where = generations.length > 0 ? generations : publish.channels;
  return {
    key: "publish",
    state: STATE_OF_PUBLISH[publish.state],
    name: "publish",
    durationMs: publish.durationMs,
    startedAt: null,
    note: [...where, signed].filter(Boolean).join(", "),
    isComplete: true,
  };
}

const EVIDENCE = {
  fault: "Tatara's own check",
  report: "a test report",
  log: "found in the log",
  "last-lines": "the last lines of the log",
} as const satisfies Record<FailureCard["evidence"], string>;

/** The failure card as text: what happened, where, what to do, the evidence, what else. */
export function failureLines(failure: FailureCard): readonly Line[] {
  const { title, code, excerpt, kind, problems } = failure;
  const excerptLines = (problems ?? excerpt).split("\n").filter((one) => one.trim() !== "");
  return [
    [{ ink: "red", text: title }, `   ${code}`],
    ...placeLine(failure),
    ...excerptLines.slice(0, EXCERPT_LINES_MAX).map((one): Line => ["  | ", one]),
    ...alsoLine(failure),
    [`  ${[WHOSE[kind], confidenceOf(failure), sinceOf(failure)].filter(Boolean).join("; ")}`],
  ];
}

/** `  hello.spec:34    add it to %files, or delete it in %install` */
function placeLine({ file, line, hint }: FailureCard): readonly Line[] {
  const place = file === null ? "" : line === null ? file : `${file}:${line}`;
  if (place === "") return hint === null ? [] : [[`  do: ${hint}`]];
  const bold = { ink: "bold" as const, text: place };
  return [hint === null ? ["  ", bold] : ["  ", bold, `    ${hint}`]];
}

const ALSO_SHOWN_MAX = 3;

function alsoLine({ also }: FailureCard): readonly Line[] {
  if (!also || also.length === 0) return [];
  const shown = also.slice(0, ALSO_SHOWN_MAX).map(({ title }) => title);
  const more = also.length - shown.length;
  return [[`  also: ${shown.join("; ")}${more === 0 ? "" : `; and ${more} more`}`]];
}

/** A guess is called one. */
function confidenceOf({ confidence, evidence }: FailureCard): string {
  return confidence === "high" ? "" : `confidence: ${confidence} (${EVIDENCE[evidence]})`;
}

function sinceOf({ newSince }: FailureCard): string {
  return newSince === null || newSince === undefined ? "" : `failing since #${newSince}`;
}

export function refName(ref: string): string {
  return branchOf(ref) ?? ref.replace(/^refs\/(tags\/)?/, "");
}

export function shortSha(sha: string | null): string {
  return sha?.slice(0, 7) ?? "";
}

/** `0.2s`, `9s`, `1m51`, `2h05` */
export function formatMs(ms: number): string {
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${String(seconds % 60).padStart(2, "0")}`;
  return `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}`;
}
