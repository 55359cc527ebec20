import { connect, readAccess } from "../api-client.ts";
import type { Command } from "../command.ts";
import { REPO_OPTION } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { findBuild } from "../find-build.ts";
import { openRemoteShell, untilExit, useTerminal } from "../remote-shell.ts";

const WORDS_MAX = 200;
const NO_TERMINAL = { columns: 80, rows: 24 } as const;

export const shell: Command = {
  name: "shell",
  usage: "<build> <step> [-- command...]",
  summary: "Enters the container of a failed step, as the step left it.",
  examples: [
    ["tatara shell 12 unit-22", "a shell in it, for half an hour after it failed"],
    ["tatara shell 12 unit -- cat out.log", "one command; its exit status is ours"],
    ["tatara shell acme/hello/12 unit --job el9.x86_64", "where several jobs have such a step"],
  ],
  options: {
    repo: REPO_OPTION,
    job: { type: "string", value: "name", help: "the job, where several have such a step" },
  },
  positionalsMax: WORDS_MAX,
  run: async (context) => {
    const { env, signal, positionals, printer, terminal } = context;
    const [given, step, ...words] = positionals;
    if (given === undefined || step === undefined) {
      const message = "Which step of which build?";
      throw new CommandError(EXIT.usage, message, "tatara shell 12 unit");
    }
    const command = words.length === 0 ? undefined : commandOf(words);
    if (command === undefined && terminal === undefined) {
      const message = "A shell needs a terminal, and here is none.";
      throw new CommandError(EXIT.usage, message, `tatara shell ${given} ${step} -- command`);
    }
    const build = await findBuild(context, await connect(env, signal), given);
    const access = await readAccess(env);
    const job = context.text("job");
    const wish = { ...access, buildId: build.id, step, job, command };
    const size = terminal?.size() ?? NO_TERMINAL;
    const connection = await openRemoteShell(wish, size, signal);
    if (command === undefined && terminal !== undefined) {
      printer.progress(`in the container of ${step}, without secrets; it lasts 30 minutes at most`);
      return await useTerminal(connection, terminal, signal);
    }
    return await untilExit(connection, printer.bytes, signal);
  },
};

/** One word is text for the shell, as with ssh; several are a command and its arguments. */
function commandOf(words: readonly string[]): string {
  const [only = ""] = words;
  if (words.length === 1) return only;
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}
