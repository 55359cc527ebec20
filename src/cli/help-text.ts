import { COMMON_OPTIONS } from "./command.ts";
import type { Command, CommandOption } from "./command.ts";
import { EXIT_MEANINGS } from "./exit-codes.ts";
import type { Line } from "./print.ts";

const NAME_COLUMNS = 10;
const OPTION_COLUMNS = 26;

/** The list of commands. */
export function overview(commands: readonly Command[]): readonly Line[] {
  return [
    ["Push source; get tested, signed packages."],
    [],
    ["Usage: tatara <command> [arguments]"],
    [],
    ...commands.map(({ name, summary }): Line => ["  ", name.padEnd(NAME_COLUMNS), summary]),
    [],
    ["A build is named by its number, by owner/name/12 or by its id; without one it is the newest"],
    [
      "of the current branch. A package is named by hello, hello-1.4.0, hello-1.4.0-1 or its NEVRA.",
    ],
    ["TATARA_URL and TATARA_TOKEN say which server and who asks."],
    [
      "tatara help <command> begins with examples; tatara help exit-status lists what statuses mean.",
    ],
  ];
}

/** Examples first, then options and exit statuses. */
export function commandHelp(command: Command): readonly Line[] {
  const options = { ...command.options, ...COMMON_OPTIONS };
  const widest = Math.max(...command.examples.map(([typed]) => typed.length));
  return [
    [`tatara ${command.name} ${command.usage}`.trim()],
    [`  ${command.summary}`],
    [],
    ...command.examples.map(([typed, does]): Line => [`  ${typed.padEnd(widest + 2)}${does}`]),
    [],
    ...Object.entries(options).map(([name, option]) => optionLine(name, option)),
    [],
    ...exitStatusHelp(),
  ];
}

export function exitStatusHelp(): readonly Line[] {
  return [
    ["Exit status"],
    ...EXIT_MEANINGS.map(([code, meaning]): Line => [`  ${String(code).padEnd(5)}${meaning}`]),
  ];
}

function optionLine(name: string, option: CommandOption): Line {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.value === undefined ? "" : ` <${option.value}>`;
  return [`  ${`${short}--${name}${value}`.padEnd(OPTION_COLUMNS)}${option.help}`];
}
