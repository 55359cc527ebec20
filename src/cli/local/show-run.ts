import { chmod, copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathInRepo } from "../../domain/repo-path.ts";
import type { LocalRequest } from "../../shared/local-messages.ts";
import type { ApiBuild } from "../api-types.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, EXIT, exitOfState } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { failureLines, formatMs, shortSha } from "../show-build.ts";
import { stepPrinter } from "../step-printer.ts";
import { localBuild } from "./local-build.ts";
import type { LeftFile } from "./local-build.ts";
import { runLocally } from "./local-runner.ts";

export interface ShownRun {
  readonly request: LocalRequest;
  /** First line, for people. */
  readonly title: string;
  /** What makes this run unlike a server's. */
  readonly differs: readonly string[];
  /** Folder for kept files and packages; undefined: they go with the run. */
  readonly out: string | undefined;
  /** Also what the steps print. */
  readonly isLogShown: boolean;
}

/** Runs a request and shows it like `watch`: growing lines, the failure card, one verdict. */
export async function showRun(context: CommandContext, shown: ShownRun): Promise<ExitCode> {
  const { printer, signal, isJson, now, env } = context;
  const { request, out } = shown;
  const { repo, sha, ref } = request.build;
  const run = localBuild({ repo, sha, ref, message: "", startedAt: now() });
  const log = logLines((title, line) => printer.answer({ ink: "dim", text: `${title} | ` }, line));
  if (!isJson) printer.answer({ ink: "bold", text: repo }, `  ${shortSha(sha)}  ${shown.title}`);
  const steps = isJson ? undefined : stepPrinter({ printer, now });
  try {
    for await (const message of runLocally(request, { env, signal })) {
      if (message.kind === "refused") {
        throw new CommandError(EXIT.usage, message.message, message.hint);
      }
      run.take(message);
      if (message.kind === "log") {
        if (shown.isLogShown && !isJson) log(run.titleOf(message.job, message.step), message.text);
        continue;
      }
      if (message.kind === "planned" && message.note !== null) printer.progress(message.note);
      steps?.show(run.read(now()));
    }
  } finally {
    steps?.end();
  }
  if (signal.aborted) printer.complain("stopped; everything that it had started is removed");
  signal.throwIfAborted();
  const build = run.read(now());
  const kept = out === undefined ? [] : await copyOut(run.files, request.dir, out);
  if (isJson) answerJson(context, answerOf(build, run.warnings, kept));
  else sayEnd(context, build, { ...shown, warnings: run.warnings, files: run.files, kept });
  return exitOfState(build.state);
}

function answerOf(build: ApiBuild, warnings: readonly string[], files: readonly string[]) {
  const { repo, sha, ref, state, reason, failure, jobs, timings } = build;
  return {
    repo,
    sha,
    ref,
    state,
    reason,
    failure,
    totalMs: timings.totalMs,
    jobs: jobs.map((job) => ({
      name: job.target,
      state: job.state,
      steps: job.steps.map((step) => {
        return { name: step.name, kind: step.kind, state: step.state, durationMs: step.durationMs };
      }),
    })),
    warnings,
    files,
  };
}

function sayEnd(
  { printer }: CommandContext,
  build: ApiBuild,
  said: Pick<ShownRun, "differs" | "out"> & {
    readonly warnings: readonly string[];
    readonly files: readonly LeftFile[];
    readonly kept: readonly string[];
  },
): void {
  for (const warning of said.warnings) printer.answer("  ", { ink: "yellow", text: warning });
  if (build.failure !== null) {
    printer.answer();
    for (const line of failureLines(build.failure)) printer.answer(...line);
  }
  printer.answer();
  const why = build.reason === null || build.failure !== null ? "" : ` (${build.reason})`;
  printer.answer(`${build.state} in ${formatMs(build.timings.totalMs ?? 0)}${why}`);
  for (const file of said.kept) printer.answer("  ", file);
  if (said.out === undefined && said.files.length > 0) {
    const names = said.files.slice(0, 3).map(({ path }) => path);
    const more = said.files.length > names.length ? ", …" : "";
    printer.progress(`made ${names.join(", ")}${more}: --out FOLDER keeps them`);
  }
  printer.progress(`not as on a server: ${said.differs.join("; ")}`);
}

/** Whole lines of each step, as they come. */
function logLines(show: (title: string, line: string) => void) {
  const begun = new Map<string, string>();
  return (title: string, text: string): void => {
    const lines = ((begun.get(title) ?? "") + text).split("\n");
    begun.set(title, lines.pop() ?? "");
    for (const line of lines) show(title, line);
  };
}

async function copyOut(
  files: readonly LeftFile[],
  dir: string,
  out: string,
): Promise<readonly string[]> {
  const copied: string[] = [];
  for (const { path, sha256, isExecutable } of files) {
    if (pathInRepo(path) !== path) continue;
    const target = join(out, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(dir, "files", sha256), target);
    if (isExecutable) await chmod(target, 0o755);
    copied.push(target);
  }
  return copied;
}
