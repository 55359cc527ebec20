import { basename, resolve } from "node:path";
import { connect } from "../api-client.ts";
import { REPO_OPTION } from "../command.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { answerJson } from "../json-answer.ts";
import { downloadKept, keptFiles } from "../kept-api.ts";
import type { ApiKeptFile } from "../kept-api.ts";

export const artifacts: Command = {
  name: "artifacts",
  usage: "[build]",
  summary: "The files that a build keeps.",
  examples: [
    ["tatara artifacts", "those of the newest build of this branch"],
    ["tatara artifacts 12 --get dist/hello", "one file, into this folder"],
    ["tatara artifacts 12 --all out", "all of them, into out/<step>/"],
  ],
  options: {
    repo: REPO_OPTION,
    get: { type: "string", value: "path", help: "download this file" },
    all: { type: "string", value: "dir", help: "download all files into this folder" },
    step: { type: "string", value: "step", help: "only what this step keeps" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const api = await connect(context.env, context.signal);
    const build = await findBuild(context, api, context.positionals[0]);
    const step = context.text("step");
    const found = await keptFiles(api, build.id);
    const files = found.filter((file) => step === undefined || file.step === step);
    for (const { file, path, dir } of wanted(context, files)) {
      const target = await downloadKept(api, build.id, file, { dir, path });
      context.printer.progress(target);
    }

    if (context.isJson) for (const file of files) answerJson(context, file);
    else if (!isDownload(context)) for (const file of files) context.printer.answer(...line(file));
    if (files.length === 0) {
      context.printer.progress(`${build.repo} #${build.number} keeps no files.`);
    }
    return EXIT.ok;
  },
};

function isDownload(context: CommandContext): boolean {
  return context.text("get") !== undefined || context.text("all") !== undefined;
}

/** What to download, and where to. */
function wanted(context: CommandContext, files: readonly ApiKeptFile[]) {
  const all = context.text("all");
  if (all !== undefined) {
    const hasJobs = new Set(files.map(({ job }) => job.id)).size > 1;
    const dir = resolve(context.cwd, all);
    return files.map((file) => {
      const folder = hasJobs ? `${file.job.name.replaceAll(/[^A-Za-z0-9._-]+/g, "-")}/` : "";
      return { file, dir, path: `${folder}${file.step}/${file.path}` };
    });
  }
  const path = context.text("get");
  if (path === undefined) return [];
  const named = files.filter((file) => file.path === path);
  const [file] = named;
  if (file !== undefined && named.length === 1) {
    return [{ file, dir: context.cwd, path: basename(path) }];
  }
  const why = file === undefined ? "The build keeps no" : "Several steps keep a";
  const hint =
    file === undefined
      ? "`tatara artifacts` lists its files"
      : `add --step: ${named.map((one) => one.step).join(", ")}`;
  throw new CommandError(EXIT.notFound, `${why} file ${path}.`, hint);
}

function line({ path, step, sizeBytes, isExecutable }: ApiKeptFile): readonly string[] {
  const size = `${Math.ceil(sizeBytes / 1024)} KiB`.padStart(10);
  return [`${size}  ${path}${isExecutable ? "*" : ""}  `, step];
}
