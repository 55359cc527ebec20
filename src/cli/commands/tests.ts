import { connect } from "../api-client.ts";
import type { ApiTest, ApiTests } from "../api-tests.ts";
import { isTests } from "../api-tests.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import { formatMs, headerLine } from "../show-build.ts";

const EXCERPT_LINES_MAX = 6;
const FAILED_MAX = 50;

export const tests: Command = {
  name: "tests",
  usage: "[build]",
  summary: "What the test reports of a build say: failed first, then flaky and slow.",
  examples: [
    ["tatara tests", "of the newest build of this branch"],
    ["tatara tests acme/hello/12 --filter greet", "tests with greet in their name"],
    ["tatara tests --json=summary", "sums and coverage, for scripts"],
  ],
  options: {
    repo: REPO_OPTION,
    filter: { type: "string", value: "text", help: "only tests with this in their name or class" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, context.positionals[0]);
    const filter = context.text("filter");
    const query = filter === undefined ? "" : `?${new URLSearchParams({ q: filter }).toString()}`;
    const response = await api.request(`/api/builds/${encodeURIComponent(build.id)}/tests${query}`);
    const found: unknown = await response.json();
    if (!isTests(found)) {
      throw new CommandError(EXIT.unreachable, `${api.url} answers, but not as Tatara does.`);
    }
    if (context.isJson) answerJson(context, found);
    else {
      context.printer.answer(...headerLine(build));
      show(context, found, filter !== undefined);
    }
    return EXIT.ok;
  },
};

function show({ printer }: CommandContext, found: ApiTests, isFiltered: boolean): void {
  const { summary, url } = found;
  if (summary === null) {
    printer.answer("no step of this build left a report");
    printer.progress("name them in .tatara.yml: reports: out/junit.xml");
    return;
  }
  if (isFiltered) {
    for (const test of found.tests) printer.answer(...testLine(test, found));
    if (found.hasMore) printer.progress(`more at ${url}`);
    return;
  }
  for (const test of found.flaky)
    printer.answer("  ", { ink: "yellow", text: "flaky   " }, nameOf(test, found));
  for (const test of found.failed.slice(0, FAILED_MAX)) {
    printer.answer(...testLine(test, found));
    for (const line of excerptOf(test)) printer.answer("  | ", line);
  }
  const left = found.failed.length - FAILED_MAX;
  if (left > 0) printer.progress(`${left} more at ${url}`);
  printer.answer(sumsOf(summary));
}

/** `  failed  greets an empty name   1.2s  new  test/greet.test.ts:41` */
function testLine(test: ApiTest, found: ApiTests): Line {
  const { state, durationMs, failingSince, file, line } = test;
  const isBad = state === "failed" || state === "errored";
  const place = file === null || !isBad ? "" : line === null ? file : `${file}:${line}`;
  const since =
    failingSince === null ? "" : failingSince === found.number ? "new" : `since #${failingSince}`;
  const ink = isBad ? "red" : state === "passed" ? "green" : "dim";
  const facts = [durationMs === null ? "" : formatMs(durationMs), since, place];
  const rest = facts.filter((fact) => fact !== "").join("  ");
  return [
    "  ",
    { ink, text: (state === "passed" ? "ok" : state).padEnd(8) },
    nameOf(test, found),
    `  ${rest}`,
  ];
}

/** Of several steps the same test may be in each: `unit (node 22) > greets an empty name`. */
function nameOf({ job, step, title }: ApiTest, { summary }: Pick<ApiTests, "summary">): string {
  const steps = summary?.steps ?? [];
  const own = steps.find((one) => one.jobId === job && one.step === step)?.title ?? step;
  return steps.length < 2 || own === undefined ? title : `${own} > ${title}`;
}

function excerptOf({ message, details }: ApiTest): readonly string[] {
  const text = message === "" ? details : message;
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(0, EXCERPT_LINES_MAX);
}

function sumsOf({
  passed,
  failed,
  errored,
  skipped,
  durationMs,
  coverage,
}: NonNullable<ApiTests["summary"]>) {
  const parts = [
    ...(failed + errored > 0 ? [`${failed + errored} failed`] : []),
    `${passed} passed`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  const covered =
    coverage === null
      ? ""
      : `, coverage ${coverage.percent.toFixed(1)} %${changeOf(coverage.change)}`;
  return `${parts.join(", ")} in ${formatMs(durationMs)}${covered}`;
}

function changeOf(change: number | null): string {
  if (change === null || change === 0) return "";
  return ` (${change > 0 ? "+" : ""}${change.toFixed(1)})`;
}
