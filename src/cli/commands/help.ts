import type { Command } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { commandHelp, exitStatusHelp, overview } from "../help-text.ts";
import type { Line } from "../print.ts";

/** Knows the other commands only by the list it is given. */
export function helpCommand(listCommands: () => readonly Command[]): Command {
  const linesFor = (topic: string | undefined): readonly Line[] => {
    const commands = listCommands();
    if (topic === undefined) return overview(commands);
    if (topic === "exit-status") return exitStatusHelp();
    const command = commands.find(({ name }) => name === topic);
    if (command !== undefined) return commandHelp(command);
    throw new CommandError(EXIT.usage, `There is no help about ${topic}.`, "tatara help");
  };
  return {
    name: "help",
    usage: "[command]",
    summary: "This list, or all about one command.",
    examples: [
      ["tatara help watch", "examples, options, exit statuses"],
      ["tatara help exit-status", "what each status means"],
    ],
    positionalsMax: 1,
    run: async ({ positionals, printer, isJson }) => {
      if (isJson) {
        printer.json(listCommands().map(({ name, usage, summary }) => ({ name, usage, summary })));
      } else {
        for (const line of linesFor(positionals[0])) printer.answer(...line);
      }
      return EXIT.ok;
    },
  };
}
