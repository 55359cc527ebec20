import { longFormOf } from "../../domain/pipeline-long-form.ts";
import { PIPELINE_FILE } from "../../domain/pipeline.ts";
import type { FilesSource, PackageStep, Pipeline } from "../../domain/pipeline.ts";
import { settled } from "../../domain/settled-pipeline.ts";
import { writeYaml } from "../../shared/yaml-documents.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { readFolderPipeline } from "../folder-pipeline.ts";
import type { FolderPipeline } from "../folder-pipeline.ts";
import { specOfFolder } from "../folder-spec.ts";
import { readDefaultBranch, readHistory, readRemote } from "../git-folder.ts";
import { folderGiven } from "../given-folder.ts";

const SUBJECTS_MAX = 10;

export const explain: Command = {
  name: "explain",
  usage: "[folder]",
  summary: `Prints what ${PIPELINE_FILE}, or the guess without one, means in full.`,
  examples: [
    ["tatara explain", "every default written out, for the commit that is checked out"],
    ["tatara explain --pull-request", "what holds when it is built for a pull request"],
    ["tatara explain --spec > hello.spec", "the spec file of a package that has none"],
  ],
  options: {
    "pull-request": { type: "boolean", help: "as for a pull request" },
    spec: { type: "boolean", help: "the spec file that is written for a package without one" },
    package: { type: "string", value: "name", help: "with --spec: of this package" },
  },
  positionalsMax: 1,
  run: async (context) => {
    const folder = await readFolderPipeline(await folderGiven(context));
    const { reading } = folder;
    if (reading.kind === "invalid") {
      for (const line of reading.report.split("\n")) context.printer.answer(line);
      return EXIT.failed;
    }
    if (reading.kind === "nothing-to-do") {
      context.printer.answer(reading.reason);
      return EXIT.ok;
    }
    if (context.flag("spec")) return await printSpec(context, folder, reading.pipeline);
    return await printLongForm(context, folder, reading);
  },
};

async function printLongForm(
  context: CommandContext,
  { root, tree }: FolderPipeline,
  { pipeline, note }: { readonly pipeline: Pipeline; readonly note: string | null },
): Promise<ExitCode> {
  const { printer, isJson } = context;
  const [defaultBranch, remote] = await Promise.all([readDefaultBranch(root), readRemote(root)]);
  const isPullRequest = context.flag("pull-request");
  const buildsAllBranches = remote?.isOwn ?? false;
  const whole = settled(pipeline, { defaultBranch, isPullRequest, buildsAllBranches });
  const text = writeYaml(longFormOf(whole));
  if (isJson) {
    printer.json({ note, pipeline: whole, text });
    return EXIT.ok;
  }
  const where = `${tree.shortSha}${isPullRequest ? ", as for a pull request" : ""}`;
  printer.answer(`# ${note ?? `${PIPELINE_FILE} in full, at ${where}`}`);
  if (whole.when === pipeline.when && pipeline.when.branches === null && !buildsAllBranches) {
    printer.answer("# Where `when` is silent: the default branch, all tags, pull requests");
  }
  printer.bytes(Buffer.from(text));
  return EXIT.ok;
}

type WithoutSpec = PackageStep & { readonly source: FilesSource };

async function printSpec(
  { printer, text }: CommandContext,
  { root, tree }: FolderPipeline,
  { projects }: Pipeline,
): Promise<ExitCode> {
  const all = projects.flatMap(({ packages }) => packages);
  const written = all.filter((step): step is WithoutSpec => step.source.kind === "files");
  const wanted = text("package");
  const [found, ...others] = written.filter(({ label }) => label === (wanted ?? label));
  const names = written.map(({ label }) => label).join(", ");
  if (found === undefined) {
    const hint = written.length > 0 ? `packages: ${names}` : "its packages have spec files already";
    const message = `There is no package ${wanted === undefined ? "" : `${wanted} `}without a spec.`;
    throw new CommandError(EXIT.usage, message, all.length === 0 ? "name one: `package:`" : hint);
  }
  if (others.length > 0) {
    throw new CommandError(EXIT.usage, `Which package? ${names}`, "--package name");
  }
  const history = await readHistory(root, SUBJECTS_MAX);
  if (history === undefined) {
    throw new CommandError(EXIT.usage, "Nothing is committed yet.", "a changelog needs a commit");
  }
  const spec = specOfFolder(found, { root, tree, history });
  printer.bytes(Buffer.from(spec));
  return EXIT.ok;
}
