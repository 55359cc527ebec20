import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { readLocalRunConfig } from "../../shared/config.ts";
import type { Env } from "../../shared/config.ts";
import { localMessage } from "../../shared/local-messages.ts";
import type { LocalMessage, LocalRequest } from "../../shared/local-messages.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { namesReadBy } from "../../shared/unknown-settings.ts";
import { environmentFor, INSTALL_DIR } from "../processes/process-table.ts";

const STDERR_CHARACTERS_MAX = 4_000;

/**
 * Starts the runner, a worker's own code in a process of its own, and gives what it says. When `signal`
 * is aborted it is told to stop, and the messages go on until it has removed all that it started.
 */
export async function* runLocally(
  request: LocalRequest,
  { env, signal }: { readonly env: Env; readonly signal: AbortSignal },
): AsyncIterable<LocalMessage> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [`${INSTALL_DIR}/workers/build/local.ts`], {
    env: environmentFor(namesReadBy(readLocalRunConfig), env, {}),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-STDERR_CHARACTERS_MAX);
  });
  const closed = new Promise<string>((done) => {
    child.once("close", (code, killed) => done(killed ?? `exit status ${String(code)}`));
  });
  child.once("error", (err) => (complaints += err.message));
  // A runner that has ended by itself takes no more words.
  child.stdin.on("error", () => undefined);
  const stop = (): void => void child.stdin.end();
  signal.addEventListener("abort", stop, { once: true });
  child.stdin.write(`${JSON.stringify(request)}\n`);

  let hasEnded = false;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const message = localMessage.parse(JSON.parse(line));
      hasEnded ||= message.kind === "end" || message.kind === "refused";
      yield message;
    }
  } finally {
    stop();
    await closed;
    signal.removeEventListener("abort", stop);
  }
  if (!hasEnded) {
    const said = complaints.trim() === "" ? await closed : complaints.trim();
    throw new CommandError(
      EXIT.errored,
      `The runner broke off: ${said}`,
      "the next `tatara run` removes what it may have left",
    );
  }
}
