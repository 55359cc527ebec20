import { parseArgs } from "node:util";
import { nearSpelling } from "../domain/near-spelling.ts";
import { ConfigError } from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { COMMON_OPTIONS, Interrupted } from "./command.ts";
import type { Ask, Command, CommandContext, CommandEntry } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import type { ExitCode } from "./exit-codes.ts";
import { commandHelp } from "./help-text.ts";
import { createPrinter } from "./print.ts";
import type { Printer, Terminal } from "./print.ts";
import type { RawTerminal } from "./raw-terminal.ts";

export interface World {
  readonly env: Env;
  readonly cwd: string;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Only where somebody can answer. */
  readonly ask?: Ask | undefined;
  /** Only where there is one. */
  readonly terminal?: RawTerminal | undefined;
  /** All of stdin. */
  readonly input?: ((signal: AbortSignal) => Promise<string>) | undefined;
  /** Aborted with `Interrupted` by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/** Parses, runs one command, and turns whatever happens into an exit status and one message. */
export async function runCommand(
  commands: readonly CommandEntry[],
  argv: readonly string[],
  world: World,
): Promise<number> {
  const plain = createPrinter({ ...world, isQuiet: false, noColor: false });
  try {
    const name = commandName(argv);
    const entry = commands.find((one) => one.name === name);
    if (entry === undefined) throw unknownCommand(name, commands);
    const command = await entry.load();
    return await run(command, parse(command, argv.slice(1)), world);
  } catch (err) {
    return explain(causeOf(err), plain);
  }
}

/** No command, `-h` and `--help` mean help, `-V` and `--version` the version. */
function commandName([first]: readonly string[]): string {
  if (first === undefined || first === "-h" || first === "--help") return "help";
  if (first === "-V" || first === "--version") return "version";
  return first;
}

type Parsed = ReturnType<typeof parse>;

function parse(command: Command, argv: readonly string[]) {
  const fields = argv.find((argument) => argument.startsWith("--json="))?.slice("--json=".length);
  const args = argv.map((argument) => (argument.startsWith("--json=") ? "--json" : argument));
  const options = { ...COMMON_OPTIONS, ...command.options };
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (positionals.length > command.positionalsMax) {
      throw new Error(`Unexpected argument '${positionals[command.positionalsMax]}'`);
    }
    return { values: values as Readonly<Record<string, unknown>>, positionals, fields };
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err);
    throw new CommandError(EXIT.usage, message, `tatara help ${command.name}`);
  }
}

async function run(command: Command, parsed: Parsed, world: World): Promise<number> {
  const { values, positionals, fields } = parsed;
  const flag = (name: string): boolean => values[name] === true;
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === "string" ? value : undefined;
  };
  const texts = (name: string): readonly string[] => {
    const given = values[name];
    return Array.isArray(given) ? given.filter((one) => typeof one === "string") : [];
  };
  const printer = createPrinter({ ...world, isQuiet: flag("quiet"), noColor: flag("no-color") });
  if (flag("help")) {
    for (const line of commandHelp(command)) printer.answer(...line);
    return EXIT.ok;
  }
  const timeoutMs = durationMs(text("timeout"));
  const context: CommandContext = {
    positionals,
    flag,
    text,
    texts,
    isJson: flag("json"),
    fields: fields?.split(",").map((field) => field.trim()),
    env: world.env,
    cwd: world.cwd,
    printer,
    ask: flag("json") ? undefined : world.ask,
    terminal: flag("json") ? undefined : world.terminal,
    input: world.input,
    signal:
      timeoutMs === undefined
        ? world.signal
        : AbortSignal.any([world.signal, AbortSignal.timeout(timeoutMs)]),
    now: world.now,
  };
  return command.run(context);
}

/** `90s`, `10m`, `2h`, or plain seconds. */
export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, amount, unit = "s"] = /^(\d{1,6})(s|m|h)?$/.exec(text) ?? [];
  if (amount === undefined) {
    throw new CommandError(EXIT.usage, `--timeout ${text}: 90s, 10m or 2h is expected`);
  }
  return Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000 }[unit as "s" | "m" | "h"];
}

function unknownCommand(name: string, commands: readonly CommandEntry[]): CommandError {
  const names = commands.map((command) => command.name);
  const near = nearSpelling(name, names) ?? names.find((one) => one.startsWith(name.slice(0, 2)));
  const hint = near === undefined ? "tatara help" : `tatara help, or did you mean tatara ${near}`;
  return new CommandError(EXIT.usage, `There is no command ${name}.`, hint);
}

/** Timers that are aborted throw an error of their own, with the reason inside. */
function causeOf(err: unknown): unknown {
  const isAbort = err instanceof Error && err.name === "AbortError" && err.cause !== undefined;
  return isAbort ? err.cause : err;
}

function explain(err: unknown, printer: Printer): ExitCode {
  if (err instanceof CommandError) {
    for (const line of err.message.split("\n")) printer.complain(line);
    if (err.hint !== undefined) printer.complain("  ", err.hint);
    return err.exitCode;
  }
  if (err instanceof Interrupted) return EXIT.interrupted;
  if (err instanceof DOMException && err.name === "TimeoutError") {
    printer.complain("Waited longer than --timeout.");
    return EXIT.timeout;
  }
  if (err instanceof ConfigError) {
    for (const line of err.message.split("\n")) printer.complain(line);
    return EXIT.usage;
  }
  // A bug of ours: the trace helps whoever reports it.
  const text = err instanceof Error ? (err.stack ?? err.message) : String(err);
  for (const line of text.split("\n")) printer.complain(line);
  return EXIT.errored;
}
