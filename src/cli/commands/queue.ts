import { roughly } from "../../domain/waiting-words.ts";
import { connect, type ApiClient } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import { refName, stateWord } from "../show-build.ts";
import { triggerApi, type ApiQueueEntry } from "../trigger-api.ts";
import { workerApi } from "../worker-api.ts";

export const queue: Command = {
  name: "queue",
  usage: "[bump <build>]",
  summary: "What runs, what waits and why, in the order in which it will start.",
  examples: [
    ["tatara queue", "of all repos; --repo shows one"],
    ["tatara queue bump 12", "what of build 12 waits goes before everything else"],
    ["tatara queue --json=repo,number,waiting", "for scripts, one line each"],
  ],
  options: { repo: REPO_OPTION },
  positionalsMax: 2,
  run: async (context) => {
    const [action, given] = context.positionals;
    const api = await connect(context.env, context.signal);
    if (action === "bump" && given !== undefined) {
      const build = await findBuild(context, api, given);
      await triggerApi(api).bump(build.id);
      if (context.isJson) context.printer.json({ id: build.id, result: "bumped" });
      else context.printer.answer(`${build.repo} #${build.number} goes first   ${build.url}`);
      return EXIT.ok;
    }
    if (action !== undefined) {
      throw new CommandError(EXIT.usage, "Only `bump <build>` can follow.", "tatara help queue");
    }
    const only = context.text("repo");
    const all = await triggerApi(api).queue();
    const jobs = all.filter(({ repo }) => only === undefined || repo === only);
    if (context.isJson) for (const job of jobs) answerJson(context, job);
    else for (const line of table(jobs, context)) context.printer.answer(...line);
    await tellWorkers(context, api);
    if (jobs.length === 0) context.printer.progress("Nothing runs, and nothing waits.");
    return EXIT.ok;
  },
};

/** Workers that take nothing, which is often why something waits. */
async function tellWorkers({ printer }: CommandContext, api: ApiClient): Promise<void> {
  // Of an older server there is no such answer, and the queue is told all the same.
  const workers = await workerApi(api)
    .list()
    .catch(() => []);
  for (const { id, kind, state, says } of workers) {
    if (state === "working") continue;
    const what = kind === "publish" ? "publish worker" : "worker";
    const isOut = state === "draining" || state === "drained";
    const wayOut = isOut ? `; tatara worker resume ${id}` : "";
    printer.progress(`${what} ${id} ${state}: ${says}${wayOut}`);
  }
}

/** `acme/hello #12  queued    main  el9.x86_64   waiting for a worker: 2 ahead, about 40 s` */
function table(jobs: readonly ApiQueueEntry[], { now }: CommandContext): readonly Line[] {
  const names = jobs.map(({ repo, number }) => `${repo} #${number}`);
  const places = jobs.map(({ ref, name }) => [refName(ref), name].filter(Boolean).join("  "));
  const widest = (texts: readonly string[], max: number) =>
    Math.min(max, Math.max(0, ...texts.map((text) => text.length)));
  const [nameColumns, placeColumns] = [widest(names, 50), widest(places, 40)];
  return jobs.map((job, index): Line => {
    const { state, startedAt, waiting, worker } = job;
    const ran = startedAt === null ? "" : ` for ${roughly(now() - Date.parse(startedAt))}`;
    const why = state === "running" ? `on ${worker ?? "a worker"}${ran}` : (waiting?.reason ?? "");
    return [
      `  ${(names[index] ?? "").padEnd(nameColumns)}  `,
      stateWord(state),
      " ".repeat(Math.max(1, 10 - state.length)),
      `${(places[index] ?? "").slice(0, placeColumns).padEnd(placeColumns)}  ${why}`,
    ];
  });
}
