import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { processEnv } from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { Interrupted } from "./command.ts";
import { COMMANDS } from "./command-list.ts";
import { INSTALL_DIR } from "./processes/process-table.ts";
import { runCommand } from "./run-command.ts";
import { rawTerminal } from "./raw-terminal.ts";
import { readStdin } from "./terminal-input.ts";
import { askAtTerminal } from "./terminal-question.ts";

const interrupt = new AbortController();
// The second signal has its default effect: whoever presses twice means it.
process.once("SIGINT", () => interrupt.abort(new Interrupted("SIGINT")));
process.once("SIGTERM", () => interrupt.abort(new Interrupted("SIGTERM")));
// `tatara builds | head -1`: the reader has what it wanted.
process.stdout.on("error", () => process.exit(0));

const exitCode = await runCommand(COMMANDS, process.argv.slice(2), {
  env: { ...settingsFile(), ...processEnv() },
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  terminal: rawTerminal(process),
  input: readStdin,
  ask: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : undefined,
  signal: interrupt.signal,
  now: Date.now,
});
process.exit(exitCode);

/** `.env` beside the installation; the environment wins over it. */
function settingsFile(): Env {
  try {
    return parseEnv(readFileSync(join(INSTALL_DIR, ".env"), "utf8"));
  } catch {
    return {}; // There need not be one.
  }
}
