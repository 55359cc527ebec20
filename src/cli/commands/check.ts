import { PIPELINE_FILE } from "../../domain/pipeline.ts";
import { formatProblems } from "../../shared/pipeline-problems.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { readFolderPipeline } from "../folder-pipeline.ts";
import { folderGiven } from "../given-folder.ts";
import { askServerNames } from "../server-names.ts";
import type { AskedNames } from "../server-names.ts";

/** The same reading as a worker's, on the folder as it is now. */
export const check: Command = {
  name: "check",
  usage: "[folder]",
  summary: `Says what is wrong with ${PIPELINE_FILE}, without pushing.`,
  examples: [
    ["tatara check && git push", "push only what can be built"],
    ["tatara check ~/src/hello", "the repository in another folder"],
  ],
  positionalsMax: 1,
  run: async (context) => {
    const { printer, isJson } = context;
    const cwd = await folderGiven(context);
    let asked: AskedNames | undefined;
    const { file, reading } = await readFolderPipeline(cwd, async () => {
      asked = await askServerNames({ ...context, cwd });
      return asked.kind === "told" ? asked.names : undefined;
    });

    const status = reading.kind === "invalid" ? EXIT.failed : EXIT.ok;
    if (isJson) {
      printer.json({ ...reading, serverAsked: asked?.kind === "told" });
      return status;
    }
    const say = (text: string): void => text.split("\n").forEach((line) => printer.answer(line));
    if (reading.kind === "invalid") say(reading.report);
    else if (reading.kind === "nothing-to-do") printer.answer(reading.reason);
    else if (reading.warnings.length > 0 && file !== undefined) {
      say(formatProblems(file.toString(), reading.warnings));
    } else printer.answer(reading.note ?? `${PIPELINE_FILE}: no problems`);
    if (asked?.kind === "not-told") {
      printer.progress(`Channels, targets and secrets were not checked: ${asked.why}.`);
    }
    return status;
  },
};
