import type { JobSpec } from "../../domain/job-spec.ts";
import { replayPlan } from "../../shared/local-messages.ts";
import type { LocalRequest } from "../../shared/local-messages.ts";
import { apiClient, readAccess } from "../api-client.ts";
import type { ApiClient } from "../api-client.ts";
import type { Command, CommandContext } from "../command.ts";
import { REPO_OPTION } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { fetchCommit } from "../local/fetch-commit.ts";
import { cacheFolder, runFolder } from "../local/run-folder.ts";
import { showRun } from "../local/show-run.ts";
import { borrowCommit } from "../local/work-tree-commit.ts";

const STEPS_MAX = 100;

type Plan = ReturnType<typeof replayPlan.parse>;

export const replay: Command = {
  name: "replay",
  usage: "<build> [step...]",
  summary: "Runs a build's steps again on the Docker of this machine, as they were planned there.",
  examples: [
    ["tatara replay 12", "what failed in build 12; all its tests if nothing did"],
    ["tatara replay 12 unit-22 --log", "one step and what it needs, with what it prints"],
  ],
  options: {
    repo: REPO_OPTION,
    log: { type: "boolean", help: "also what the steps print" },
    out: { type: "string", value: "folder", help: "leave kept files and packages there" },
  },
  positionalsMax: STEPS_MAX,
  run: async (context) => {
    const { env, signal, positionals, cwd } = context;
    const [given, ...steps] = positionals;
    if (given === undefined) throw new CommandError(EXIT.usage, "Which build?", "tatara replay 12");
    const access = await readAccess(env);
    const api = apiClient({ ...access, signal });
    const build = await findBuild(context, api, given);
    const plan = await readPlan(api, build.id);
    await using folder = await runFolder();
    const { repo, sha } = plan.build;
    const call = { env, signal };
    const gitDir =
      (await borrowCommit(cwd, { dir: folder.path, sha }, call)) ??
      (await fetchCommit({ ...access, repo, sha }, folder.path, call));
    if (gitDir === undefined) throw gone(plan);
    const failed = build.jobs.flatMap((job) =>
      job.steps.flatMap(({ name, state }) => (state === "failed" ? [name] : [])),
    );
    const asked = steps.length > 0 ? steps : failed.length > 0 ? [...new Set(failed)] : null;
    return await showRun(context, {
      request: requestOf(plan, { gitDir, dir: folder.path, asked, context, url: access.url }),
      title: `build ${build.number} again`,
      differs: differences(plan),
      out: context.text("out"),
      isLogShown: context.flag("log"),
    });
  },
};

async function readPlan(api: ApiClient, id: string): Promise<Plan> {
  const response = await api.request(`/api/builds/${encodeURIComponent(id)}/plan`);
  const parsed = replayPlan.safeParse(await response.json());
  if (parsed.success) return parsed.data;
  throw new CommandError(EXIT.unreachable, `${api.url} answers, but not as Tatara does.`);
}

function gone({ build }: Plan): CommandError {
  const message = `The commit ${build.sha.slice(0, 7)} is neither in this folder nor at the server's own remote.`;
  return new CommandError(
    EXIT.notFound,
    message,
    "run it in a clone of the repo, after `git fetch`",
  );
}

function requestOf(
  { build, jobs }: Plan,
  place: {
    readonly gitDir: string;
    readonly dir: string;
    readonly asked: readonly string[] | null;
    readonly context: CommandContext;
    readonly url: string;
  },
): LocalRequest {
  return {
    // Caches are of this machine, and its owner's; a stranger's code writes none of them.
    build: { ...build, trust: build.trust === "fork-pr" ? "fork-pr" : "trusted" },
    gitDir: place.gitDir,
    dir: place.dir,
    cacheDir: cacheFolder(place.context.env),
    serverUrl: place.url,
    steps: place.asked === null ? null : [...place.asked],
    fresh: false,
    params: {},
    jobs,
  };
}

/** What this machine cannot give; images that differ are told by the run itself. */
function differences({ jobs }: Plan): readonly string[] {
  const names = new Set(jobs.flatMap(({ spec }) => secretsOf(spec)));
  const missing = names.size === 0 ? "no secrets" : `without the secrets ${[...names].join(", ")}`;
  return [missing, "nothing is published or verified", "caches of this machine"];
}

function secretsOf({ tests, packages }: Pick<JobSpec, "tests" | "packages">): readonly string[] {
  return [...tests, ...packages].flatMap(({ secrets }) => secrets.map(({ name }) => name));
}
