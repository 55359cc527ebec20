import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PIPELINE_FILE } from "../../domain/pipeline.ts";
import type { CommitTree } from "../../domain/pipeline.ts";
import { readPipeline } from "../../shared/pipeline-file.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { readWorkTree } from "../git-folder.ts";

/** The same reading as a worker's, on the folder as it is now. */
export const check: Command = {
  name: "check",
  usage: "",
  summary: `Says what is wrong with ${PIPELINE_FILE}, without pushing.`,
  examples: [["tatara check && git push", "push only what can be built"]],
  positionalsMax: 0,
  run: async ({ printer, isJson, cwd }) => {
    const folder = await readWorkTree(cwd);
    if (folder === undefined) {
      printer.complain("This is no git repository: nothing can be checked here.");
      return EXIT.usage;
    }
    const files = new Set(folder.files);
    const tree: CommitTree = {
      has: (path) => files.has(path),
      files: () => folder.files,
      shortSha: folder.shortSha,
    };
    const path = join(folder.root, PIPELINE_FILE);
    const bytes = files.has(PIPELINE_FILE) ? await readFile(path) : undefined;
    const reading = readPipeline(bytes, tree);
    if (isJson) printer.json(reading);
    else if (reading.kind === "invalid") {
      for (const line of reading.report.split("\n")) printer.answer(line);
    } else if (reading.kind === "nothing-to-do") printer.answer(reading.reason);
    else printer.answer(reading.note ?? `${PIPELINE_FILE}: no problems`);
    return reading.kind === "invalid" ? EXIT.failed : EXIT.ok;
  },
};
