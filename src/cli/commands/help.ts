import type { Command, CommandEntry } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { commandHelp, exitStatusHelp, overview } from "../help-text.ts";
import type { Line } from "../print.ts";

/** Knows the other commands only by the list it is given. */
export function helpCommand(entries: () => readonly CommandEntry[]): Command {
  const loadAll = () => Promise.all(entries().map((entry) => entry.load()));
  const linesFor = async (topic: string | undefined): Promise<readonly Line[]> => {
    if (topic === undefined) return overview(await loadAll());
    if (topic === "exit-status") return exitStatusHelp();
    const entry = entries().find(({ name }) => name === topic);
    if (entry !== undefined) return commandHelp(await entry.load());
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
        const commands = await loadAll();
        printer.json(commands.map(({ name, usage, summary }) => ({ name, usage, summary })));
      } else {
        for (const line of await linesFor(positionals[0])) printer.answer(...line);
      }
      return EXIT.ok;
    },
  };
}
