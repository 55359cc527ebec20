import type { LocalRequest } from "../../shared/local-messages.ts";
import type { Command } from "../command.ts";
import { REPO_OPTION } from "../command.ts";
import { readGitFolder } from "../git-folder.ts";
import { cacheFolder, nameWithoutRemote, runFolder } from "../local/run-folder.ts";
import { showRun } from "../local/show-run.ts";
import { commitWorkTree } from "../local/work-tree-commit.ts";
import type { WorkTreeCommit } from "../local/work-tree-commit.ts";
import { PARAM_OPTION, paramsOf } from "../param-option.ts";

const STEPS_MAX = 100;

export const run: Command = {
  name: "run",
  usage: "[step...]",
  summary: "Runs the steps on the Docker of this machine, with the files as they are now.",
  examples: [
    ["tatara run", "all tests of the working tree, new files included"],
    ["tatara run unit --log", "one test and what it needs, with what it prints"],
    ["tatara run package --out rpms", "the packages, left in the folder rpms"],
    ["tatara run --fresh", "with no layers and caches of earlier runs"],
  ],
  options: {
    repo: REPO_OPTION,
    param: PARAM_OPTION,
    fresh: { type: "boolean", help: "use nothing that earlier runs left" },
    log: { type: "boolean", help: "also what the steps print" },
    out: { type: "string", value: "folder", help: "leave kept files and packages there" },
  },
  positionalsMax: STEPS_MAX,
  run: async (context) => {
    const { cwd, env, signal, positionals } = context;
    const params = paramsOf(context.texts("param"));
    const git = await readGitFolder(cwd);
    await using folder = await runFolder();
    const commit = await commitWorkTree(cwd, folder.path, { env, signal });
    const repo = context.text("repo") ?? git.repo ?? nameWithoutRemote(commit.root);
    const request: LocalRequest = {
      build: buildFacts(repo, commit),
      gitDir: commit.gitDir,
      dir: folder.path,
      cacheDir: cacheFolder(env),
      serverUrl: env["TATARA_URL"] ?? null,
      steps: positionals.length === 0 ? null : [...positionals],
      fresh: context.flag("fresh"),
      params,
      jobs: null,
    };
    return await showRun(context, {
      request,
      title: commit.subject,
      differs: [
        "no secrets",
        "nothing is published or verified",
        "`when` and changed paths are not asked",
        "caches of this machine",
      ],
      out: context.text("out"),
      isLogShown: context.flag("log"),
    });
  },
};

function buildFacts(repo: string, { sha, branch }: WorkTreeCommit): LocalRequest["build"] {
  return {
    id: "local",
    repo,
    number: 0,
    sha,
    ref: branch === null ? "refs/tatara/try/local" : `refs/heads/${branch}`,
    defaultBranch: null,
    event: "try",
    pullRequest: null,
    // Caches are of this machine, and whoever starts containers on it may write them.
    trust: "trusted",
    url: "",
  };
}
