import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { offeredFile, partsOfGuess, toldParts } from "../../domain/offered-file.ts";
import type { OfferedParts } from "../../domain/offered-file.ts";
import { guessTestCommand, specsOf } from "../../domain/pipeline-guess.ts";
import { PIPELINE_FILE } from "../../domain/pipeline.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { readFolderPipeline } from "../folder-pipeline.ts";
import type { FolderPipeline } from "../folder-pipeline.ts";
import { folderGiven } from "../given-folder.ts";

export const init: Command = {
  name: "init",
  usage: "[folder]",
  summary: `Writes a first ${PIPELINE_FILE} from what the repository holds.`,
  examples: [
    ["tatara init", "says what it found, and writes it down; never over a file"],
    ["tatara init --package rpm/hello.spec", "where there are several spec files"],
  ],
  options: {
    package: {
      type: "string",
      multiple: true,
      value: "path",
      help: "this spec file; may be given several times",
    },
  },
  positionalsMax: 1,
  run: async (context) => {
    const { printer, isJson, env } = context;
    const folder = await readFolderPipeline(await folderGiven(context));
    const parts = partsOf(folder, context);
    const text = offeredFile(parts);
    if (text === undefined) throw nothingFound(folder);

    const url = env["TATARA_URL"]?.replace(/\/+$/, "");
    const schema =
      url === undefined ? "" : `# yaml-language-server: $schema=${url}/schema/v1.json\n`;
    await writeNew(join(folder.root, PIPELINE_FILE), schema + text);
    const left = specsOf(folder.tree).filter((path) => !parts.packages.includes(path));
    if (isJson) printer.json({ ...parts, text: schema + text, notPackaged: left });
    else {
      printer.answer(toldParts(parts));
      if (left.length > 0 && parts.packages.length === 0) {
        printer.answer(`Not packaged, since there are several spec files: ${left.join(", ")}`);
        printer.progress(`Name one: package: ${left[0]}`);
      }
      printer.progress(`Written. Next: tatara check && git add ${PIPELINE_FILE}`);
    }
    return EXIT.ok;
  },
};

/** What was found, the offered test and the named spec files included. */
function partsOf({ reading, tree, file }: FolderPipeline, context: CommandContext): OfferedParts {
  if (file !== undefined) throw exists();
  const guessed =
    reading.kind === "pipeline"
      ? partsOfGuess(reading.pipeline)
      : { hasDockerfile: false, test: null, packages: [] };
  const command = guessTestCommand(tree);
  const test = guessed.test ?? (command === undefined ? null : { command });
  const named = context.texts("package");
  const missing = named.find((path) => !tree.has(path));
  if (missing !== undefined) {
    const known = specsOf(tree).join(", ") || "none";
    throw new CommandError(EXIT.usage, `There is no file ${missing}.`, `spec files: ${known}`);
  }
  return { ...guessed, test, packages: named.length > 0 ? named : guessed.packages };
}

function exists(): CommandError {
  const message = `There is a ${PIPELINE_FILE} already; it was not touched.`;
  return new CommandError(EXIT.usage, message, "tatara explain says what it means");
}

function nothingFound({ tree }: FolderPipeline): CommandError {
  const [first] = specsOf(tree);
  if (first !== undefined) {
    const message = `There are several spec files: ${specsOf(tree).join(", ")}.`;
    return new CommandError(EXIT.usage, message, `tatara init --package ${first}`);
  }
  const message = "Nothing here says what to build: no Dockerfile, no spec file, no test.";
  return new CommandError(EXIT.usage, message, `write one line: test: make check`);
}

/** Another hand may have been quicker; what it wrote stays. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: "wx" });
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "EEXIST") throw exists();
    throw err;
  }
}
