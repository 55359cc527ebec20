import { rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PIPELINE_FILE } from "../../domain/pipeline.ts";
import { fixPipelineText } from "../../shared/pipeline-fix.ts";
import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { readFolderPipeline } from "../folder-pipeline.ts";
import { folderGiven } from "../given-folder.ts";

export const fix: Command = {
  name: "fix",
  usage: "[folder]",
  summary: `Gives retired keys of ${PIPELINE_FILE} their new names; all else stays as it is.`,
  examples: [
    ["tatara fix", "before the version that stops reading them"],
    ["tatara fix --dry-run", "only says what it would change"],
  ],
  options: { "dry-run": { type: "boolean", help: "say what would change, and change nothing" } },
  positionalsMax: 1,
  run: async (context) => {
    const { printer, isJson } = context;
    const { root, file } = await readFolderPipeline(await folderGiven(context));
    if (file === undefined) {
      throw new CommandError(EXIT.usage, `There is no ${PIPELINE_FILE} here.`, "tatara init");
    }
    const { text, fixes } = fixPipelineText(file.toString());
    const isDry = context.flag("dry-run");
    if (fixes.length > 0 && !isDry) await replace(join(root, PIPELINE_FILE), text);
    if (isJson) printer.json({ fixes, isChanged: fixes.length > 0 && !isDry });
    else {
      for (const { line, from, to } of fixes) {
        printer.answer(`${PIPELINE_FILE}:${line}  ${from} → ${to}`);
      }
      if (fixes.length === 0) printer.answer(`${PIPELINE_FILE}: no retired keys`);
      else printer.progress(isDry ? "Nothing was changed." : "Look at it: git diff");
    }
    return EXIT.ok;
  },
};

/** Whole or not at all: an editor may have the file open. */
async function replace(path: string, text: string): Promise<void> {
  const { mode } = await stat(path);
  const beside = `${path}.${process.pid}`;
  try {
    await writeFile(beside, text, { mode, flag: "wx" });
    await rename(beside, path);
  } catch (err) {
    await rm(beside, { force: true });
    throw err;
  }
}
