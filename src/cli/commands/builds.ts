import { isRepoName } from "../../domain/push.ts";
import { STATES } from "../../domain/states.ts";
import { connect } from "../api-client.ts";
import type { ApiBuildSummary } from "../api-types.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { readGitFolder } from "../git-folder.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import { formatMs, refName, stateWord } from "../show-build.ts";

const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 200;

export const builds: Command = {
  name: "builds",
  usage: "",
  summary: "The newest builds of the current repo.",
  examples: [
    ["tatara builds", "of the repo of the current folder"],
    ["tatara builds --all --state failed", "what failed anywhere"],
    ["tatara builds --json=number,state,url", "for scripts, one line each"],
  ],
  options: {
    repo: REPO_OPTION,
    all: { type: "boolean", help: "of all repos" },
    state: { type: "string", value: "state", help: `one of ${STATES.join(", ")}` },
    limit: { type: "string", value: "count", help: `at most this many (${LIMIT_DEFAULT})` },
  },
  positionalsMax: 0,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const repo = await wantedRepo(context);
    const state = wantedState(context.text("state"));
    const limit = wantedLimit(context.text("limit"));
    const found = await api.builds({ repo, state, limit });

    if (context.isJson) for (const build of found) answerJson(context, build);
    else for (const line of table(found, repo === undefined)) context.printer.answer(...line);
    if (found.length === 0) {
      context.printer.progress(`No builds${repo === undefined ? "" : ` of ${repo}`} yet.`);
    }
    return EXIT.ok;
  },
};

async function wantedRepo(context: CommandContext): Promise<string | undefined> {
  if (context.flag("all")) return undefined;
  const repo = context.text("repo") ?? (await readGitFolder(context.cwd)).repo;
  if (repo !== undefined && !isRepoName(repo)) {
    throw new CommandError(EXIT.usage, `${repo} is no repo.`, "owner/name is expected");
  }
  return repo;
}

function wantedState(text: string | undefined): string | undefined {
  if (text === undefined || STATES.some((state) => state === text)) return text;
  throw new CommandError(EXIT.usage, `--state ${text}: one of ${STATES.join(", ")} is expected`);
}

function wantedLimit(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new CommandError(
    EXIT.usage,
    `--limit ${text}: a number from 1 to ${LIMIT_MAX} is expected`,
  );
}

/** `#123  failed  main   1m51  fix: accept empty name   test > greets an empty name` */
function table(found: readonly ApiBuildSummary[], withRepo: boolean): readonly Line[] {
  const rows = found.map((build) => ({
    build,
    name: `${withRepo ? `${build.repo} ` : ""}#${build.number}`,
    ref: refName(build.ref),
    time: took(build),
  }));
  const widest = (of: (row: (typeof rows)[number]) => string, max: number) =>
    Math.min(max, Math.max(0, ...rows.map((row) => of(row).length)));
  const [nameColumns, refColumns] = [widest(({ name }) => name, 60), widest(({ ref }) => ref, 24)];

  return rows.map(({ build, name, ref, time }): Line => {
    const state = stateWord(build.state);
    const word = typeof state === "string" ? state : state.text;
    return [
      `  ${name.padEnd(nameColumns)}  `,
      state,
      " ".repeat(Math.max(1, 10 - word.length)),
      `${ref.slice(0, refColumns).padEnd(refColumns)}  ${time.padEnd(6)}  `,
      (build.message.split("\n")[0] ?? "").slice(0, 60),
      ...(build.failure === null
        ? []
        : [{ ink: "red" as const, text: `   ${build.failure.title}` }]),
    ];
  });
}

function took({ startedAt, endedAt }: ApiBuildSummary): string {
  if (startedAt === null || endedAt === null) return "";
  return formatMs(Date.parse(endedAt) - Date.parse(startedAt));
}
