import type { FaultCode } from "./faults.ts";
import { findFailure } from "./failure-evidence.ts";
import type { LogTail } from "./failure-evidence.ts";
import { cutText } from "./log-text.ts";
import type { CommitTree, PipelineProblem } from "./pipeline.ts";

/** Why a build did not pass: one object for page, command line, API and commit status. */
export interface FailureCard {
  readonly kind: CardKind;
  readonly code: FaultCode;
  /** Step that failed; null when it was not a step. */
  readonly step: string | null;
  readonly title: string;
  /** At most 20 lines, escape codes removed. */
  readonly excerpt: string;
  readonly file: string | null;
  readonly line: number | null;
  /** Line of the step's log, from 1; null when no line is to blame. */
  readonly logLine: number | null;
  readonly hint: string | null;
  readonly confidence: "high" | "medium" | "low";
  readonly evidence: "fault" | "log" | "last-lines";
  /** Several mistakes of one file, as text like a compiler's. */
  readonly problems: string | null;
}

/** Whose fault: commands said no, a file cannot be built as it is, somebody did not answer, us. */
export type CardKind = "code" | "file" | "network" | "ours";

// A new code breaks compilation here, until somebody has said whose fault it is.
export const CARD_KIND = {
  PIPELINE_FILE_INVALID: "file",
  FILE_MISSING: "file",
  SPEC_MISSING: "file",
  SPEC_INVALID: "file",
  SPEC_SOURCE_MISSING: "file",
  IMAGE_UNKNOWN: "file",
  IMAGE_BUILD_FAILED: "code",
  DOCKERFILE_INVALID: "file",
  DOCKERFILE_NEEDS_BUILDKIT: "file",
  NO_SHELL: "file",
  STEP_FAILED: "code",
  STEP_TIMEOUT: "code",
  STEP_SILENT: "code",
  OUT_OF_MEMORY: "code",
  RPM_BUILD_FAILED: "code",
  BUILD_REQUIRES_MISSING: "file",
  CHECKOUT_LIMIT: "code",
  PACKAGE_LIMIT: "code",
  CHANNEL_UNKNOWN: "file",
  PACKAGE_INVALID: "file",
  NEVRA_TAKEN: "file",
  PACKAGE_SIGNED: "file",
  PACKAGE_NAME_TAKEN: "file",
  PACKAGE_NAME_RESERVED: "file",
  PROVIDES_FOREIGN: "file",
  OBSOLETES_FOREIGN: "file",
  VERSION_LOWER: "file",
  EPOCH_JUMP: "file",
  CHANNEL_FORBIDDEN: "file",
  REQUIRES_UNSATISFIED: "file",
  FILE_CONFLICT: "file",
  ERRATA_INVALID: "file",
  NO_PACKAGES: "file",
  ENGINE_UNAVAILABLE: "ours",
  ENGINE_FAILED: "ours",
  IMAGE_UNAVAILABLE: "network",
  CANNOT_FETCH: "network",
  COMMIT_GONE: "network",
  WORKER_LOST: "ours",
  NO_WORKER: "ours",
  ARTIFACT_CHANGED: "ours",
  SIGNING_FAILED: "ours",
  PUBLISH_FAILED: "ours",
  DISK_FULL: "ours",
  INTERNAL: "ours",
} as const satisfies Record<FaultCode, CardKind>;

/** A coded fault, or a step's failure: what happened, what to do, and perhaps where. */
export interface CardFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly hint?: string | null | undefined;
  readonly file?: string | null | undefined;
  readonly line?: number | null | undefined;
  readonly exitCode?: number | null | undefined;
}

export interface CardFacts {
  /** As people know it: `unit`. */
  readonly step: string | null;
  readonly fault: CardFault;
  /** End of the step's log, secrets masked already. */
  readonly log?: LogTail | undefined;
  readonly tree?: Pick<CommitTree, "has" | "files"> | undefined;
}

/** Codes that only say "it ended non-zero"; what went wrong is in the log, if anywhere. */
const LOG_KNOWS: ReadonlySet<FaultCode> = new Set<FaultCode>([
  "STEP_FAILED",
  "IMAGE_BUILD_FAILED",
  "RPM_BUILD_FAILED",
]);

/** The card, by the first evidence that applies: our own fault, a place in the log, its last lines. */
export function failureCard({ step, fault, log, tree }: CardFacts): FailureCard {
  const isInLog = LOG_KNOWS.has(fault.code) && !fault.file;
  const found = log && findFailure(log, isInLog ? tree : undefined);
  const facts = { step, fault, excerpt: found?.excerpt ?? "", logLine: found?.logLine ?? null };
  if (!isInLog) {
    return assemble({ ...facts, title: fault.message, confidence: "high", evidence: "fault" });
  }
  const { exitCode } = fault;
  const isPlainExit = fault.code === "STEP_FAILED" && typeof exitCode === "number";
  const ending = isPlainExit ? cardTitle(step, `exited ${exitCode}`, " ") : fault.message;
  if (found === undefined || found.kind === "last-lines") {
    return assemble({ ...facts, title: ending, confidence: "low", evidence: "last-lines" });
  }
  const title = found.title === null ? ending : cardTitle(step, found.title);
  const { file, line, confidence } = found;
  return assemble({ ...facts, title, file, line, confidence, evidence: "log" });
}

/** The card of a refused pipeline file; `report` is all problems as text. */
export function pipelineFileCard(refused: {
  readonly step: string | null;
  readonly file: string;
  readonly problems: readonly [PipelineProblem, ...PipelineProblem[]];
  readonly report: string;
}): FailureCard {
  const { step, file, problems, report } = refused;
  const [{ line, column, message, hint }] = problems;
  const more = problems.length - 1;
  const others = more === 0 ? "" : `, and ${more} more problem${more === 1 ? "" : "s"}`;
  const fault = { code: "PIPELINE_FILE_INVALID", message, hint, file, line } as const;
  const title = `${file}:${line}:${column} ${message}${others}`;
  const facts = { step, fault, excerpt: "", logLine: null, problems: report };
  return assemble({ ...facts, title, confidence: "high", evidence: "fault" });
}

/** `unit > greets an empty name`: which step, and what in it. */
export function cardTitle(step: string | null, what: string, separator = " > "): string {
  return step === null ? what : `${step}${separator}${what}`;
}

/** `test/greet.test.ts:41`, or null when no file is to blame. */
export function cardPlace({ file, line }: Pick<FailureCard, "file" | "line">): string | null {
  if (file === null) return null;
  return line === null ? file : `${file}:${line}`;
}

/** The card in one sentence, for commit statuses and lists. Says so when it is not the user's fault. */
export function firstSentence(card: FailureCard): string {
  const isTheirs = card.kind === "code" || card.kind === "file";
  const place = cardPlace(card);
  const where = place === null || card.title.includes(place) ? "" : ` (${place})`;
  return `${card.title}${where}${isTheirs ? "" : " (not your fault)"}`;
}

// Sizes that the protocol lets through.
const TITLE_MAX = 1_000;
const EXCERPT_MAX = 16_000;
const PATH_MAX = 1_000;
const HINT_MAX = 2_000;
const PROBLEMS_MAX = 64_000;

function assemble(facts: {
  readonly step: string | null;
  readonly fault: CardFault;
  readonly title: string;
  readonly excerpt: string;
  readonly logLine: number | null;
  readonly confidence: FailureCard["confidence"];
  readonly evidence: FailureCard["evidence"];
  readonly file?: string | null;
  readonly line?: number | null;
  readonly problems?: string;
}): FailureCard {
  const { fault } = facts;
  return {
    kind: CARD_KIND[fault.code],
    code: fault.code,
    step: facts.step,
    title: cutText(facts.title, TITLE_MAX),
    excerpt: cutText(facts.excerpt, EXCERPT_MAX),
    file: cutOrNull(facts.file ?? fault.file, PATH_MAX),
    line: facts.line ?? fault.line ?? null,
    logLine: facts.logLine,
    hint: cutOrNull(fault.hint, HINT_MAX),
    confidence: facts.confidence,
    evidence: facts.evidence,
    problems: cutOrNull(facts.problems, PROBLEMS_MAX),
  };
}

function cutOrNull(text: string | null | undefined, charactersMax: number): string | null {
  return text ? cutText(text, charactersMax) : null;
}
