import type { FaultCode } from "./faults.ts";
import { CARD_KIND } from "./failure-kinds.ts";
import type { CardKind } from "./failure-kinds.ts";
import { endOfLog, findFailure } from "./failure-evidence.ts";
import type { FoundFailure, LogTail, OtherFailure } from "./failure-evidence.ts";
import { logFiles } from "./log-files.ts";
import { cutText } from "./log-text.ts";
import type { CommitTree } from "./pipeline.ts";
import type { PipelineProblem } from "./pipeline-problem.ts";
import { failureFromTests } from "./test-failure.ts";
import type { ReportedTest } from "./test-failure.ts";

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
  readonly evidence: "fault" | "report" | "log" | "last-lines";
  /** Number of the first build of this branch that failed so; null: not known, or this one. */
  readonly newSince?: number | null | undefined;
  /** Other steps that failed, and other failures of the same step; at most 20. */
  readonly also?: OtherFailure[] | null | undefined;
  /** Several mistakes of one file, as text like a compiler's. */
  readonly problems: string | null;
}

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
  /** Its id: `unit-22`. */
  readonly step: string | null;
  /** As people read it, where it is another than the id: `unit (node 22)`. */
  readonly stepTitle?: string | undefined;
  readonly fault: CardFault;
  /** End of the step's log, secrets masked already. */
  readonly log?: LogTail | undefined;
  readonly tree?: Pick<CommitTree, "has" | "files"> | undefined;
  /** What the step's reports say, if it has any. */
  readonly tests?: readonly ReportedTest[] | undefined;
}

/** Codes that only say "it ended non-zero"; what went wrong is in reports or in the log, if anywhere. */
const LOG_KNOWS: ReadonlySet<FaultCode> = new Set<FaultCode>([
  "STEP_FAILED",
  "IMAGE_BUILD_FAILED",
  "RPM_BUILD_FAILED",
]);

/** Codes that say at what it ended; the tool that ended it may say why. */
const LOG_SHOWS: ReadonlySet<FaultCode> = new Set<FaultCode>(["VERIFY_FAILED", "RPM_LINT"]);

/**
 * The card, by the first evidence that applies: our own fault, a failed test in a report, what the log
 * says, its last lines.
 */
export function failureCard(facts: CardFacts): FailureCard {
  return cardOf({ ...facts, fault: inWords(facts) });
}

/** A fault that begins with the step's id begins with its title instead. */
function inWords({ step, stepTitle, fault }: CardFacts): CardFault {
  if (!step || stepTitle === undefined || !fault.message.startsWith(`${step} `)) return fault;
  return { ...fault, message: stepTitle + fault.message.slice(step.length) };
}

function cardOf(facts: CardFacts): FailureCard {
  const { fault, log } = facts;
  const isInLog = LOG_KNOWS.has(fault.code);
  if (!isInLog && !LOG_SHOWS.has(fault.code)) return faultCard(facts, undefined);
  const found = log && findFailure(log, facts.tree);
  if (!isInLog || fault.file) return faultCard(facts, found);
  return reportCard(facts, found) ?? logCard(facts, found);
}

/** The packages' trial says before each part of it what comes. */
const TRIAL = { linesMax: 12, isStart: (line: string) => /^tatara: (?!error: )/.test(line) };

/** A fault that says all itself. The log shows how it came to it: words we are sure of, or its end. */
function faultCard({ step, fault, log }: CardFacts, found: FoundFailure | undefined): FailureCard {
  const told = found?.kind === "log" && found.confidence === "high" ? found : undefined;
  const shown = told ?? (log && endOfLog(log, fault.code === "VERIFY_FAILED" ? TRIAL : undefined));
  const hint = fault.code === "IMAGE_BUILD_FAILED" ? told?.hint : (fault.hint ?? told?.hint);
  return assemble({
    step,
    fault,
    title: fault.message,
    excerpt: shown?.excerpt ?? "",
    logLine: shown?.logLine ?? null,
    confidence: "high",
    evidence: "fault",
    hint: hint ?? null,
    also: told?.also ?? [],
  });
}

/** A report knows names, messages and often places. Where it lacks a place, the log may have it. */
function reportCard(
  { step, stepTitle, fault, log, tree, tests }: CardFacts,
  found: FoundFailure | undefined,
): FailureCard | undefined {
  const failed = tests && failureFromTests(tests, log);
  if (failed === undefined) return undefined;
  const reported = tree && failed.file ? logFiles(tree).any(failed.file) : undefined;
  const told = found?.kind === "log" && isAbout(failed.title, found) ? found : undefined;
  const place =
    reported === undefined
      ? { file: told?.file ?? null, line: told?.line ?? null }
      : { file: reported, line: failed.line };
  return assemble({
    step,
    fault,
    title: cardTitle(stepTitle ?? step, failed.title),
    excerpt: failed.excerpt || (told?.excerpt ?? ""),
    ...place,
    logLine: failed.logLine ?? told?.logLine ?? null,
    also: failed.also,
    confidence: "high",
    evidence: "report",
  });
}

function isAbout(title: string, { title: other, excerpt }: Extract<FoundFailure, { kind: "log" }>) {
  const name = title.split(" > ").at(-1) ?? title;
  return excerpt.includes(name) || (other?.includes(name) ?? false);
}

function logCard(
  { step, stepTitle, fault }: CardFacts,
  found: FoundFailure | undefined,
): FailureCard {
  const name = stepTitle ?? step;
  const { exitCode } = fault;
  const isPlainExit = fault.code === "STEP_FAILED" && typeof exitCode === "number";
  const ending = isPlainExit ? cardTitle(name, `exited ${exitCode}`, " ") : fault.message;
  const facts = { step, fault, excerpt: found?.excerpt ?? "", logLine: found?.logLine ?? null };
  if (found === undefined || found.kind === "last-lines") {
    return assemble({ ...facts, title: ending, confidence: "low", evidence: "last-lines" });
  }
  const title = found.title === null ? ending : cardTitle(name, found.title);
  const { file, line, confidence, hint, also } = found;
  return assemble({ ...facts, title, file, line, confidence, hint, also, evidence: "log" });
}

/** The card, with those of other steps that failed as well, which come before what else failed in its own. */
export function withOtherSteps(card: FailureCard, others: readonly FailureCard[]): FailureCard {
  if (others.length === 0) return card;
  const steps = others.map(({ title }) => ({ title, logLine: null }));
  return { ...card, also: [...steps, ...(card.also ?? [])].slice(0, ALSO_MAX) };
}

/** The card of a refused pipeline file; `report` is all problems as text. */
export function pipelineFileCard(refused: {
  readonly step: string | null;
  readonly file: string;
  readonly problems: readonly [PipelineProblem, ...PipelineProblem[]];
  readonly report: string;
}): FailureCard {
  const { step, file, problems, report } = refused;
  const errors = problems.filter(({ isWarning }) => !isWarning);
  const [{ line, column, message, hint } = problems[0]] = errors;
  const more = Math.max(0, errors.length - 1);
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
const ALSO_MAX = 20;

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
  readonly hint?: string | null;
  readonly also?: readonly OtherFailure[];
  readonly problems?: string;
}): FailureCard {
  const { fault } = facts;
  const also = facts.also?.slice(0, ALSO_MAX).map(fittingOther) ?? [];
  return {
    kind: CARD_KIND[fault.code],
    code: fault.code,
    step: facts.step,
    title: cutText(facts.title, TITLE_MAX),
    excerpt: cutText(facts.excerpt, EXCERPT_MAX),
    file: cutOrNull(facts.file ?? fault.file, PATH_MAX),
    line: facts.line ?? fault.line ?? null,
    logLine: facts.logLine,
    hint: cutOrNull(facts.hint ?? fault.hint, HINT_MAX),
    confidence: facts.confidence,
    evidence: facts.evidence,
    ...(also.length === 0 ? {} : { also }),
    problems: cutOrNull(facts.problems, PROBLEMS_MAX),
  };
}

function fittingOther({ title, logLine }: OtherFailure): OtherFailure {
  return { title: cutText(title, TITLE_MAX), logLine };
}

function cutOrNull(text: string | null | undefined, charactersMax: number): string | null {
  return text ? cutText(text, charactersMax) : null;
}
