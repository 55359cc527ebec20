import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import { dataFrames, frameReader, jsonFrame } from "../../../src/shared/shell-frames.ts";
import { terminalSize, type WantedShell } from "../../../src/shared/shell-messages.ts";
import type { Engine, ShellSession } from "../engine.ts";

export interface RunShellDeps {
  readonly engine: Pick<Engine, "findKept">;
  readonly logger: Logger;
}

/** Opens a shell in a kept container and joins it to the connection, until either of them ends. */
export async function runShell(
  wanted: WantedShell,
  person: Duplex,
  { engine, logger }: RunShellDeps,
  signal: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  person.on("error", () => undefined);
  person.once("close", () => gone.abort(new Error("The person has left.")));
  const until = AbortSignal.any([signal, gone.signal]);
  let session: ShellSession | undefined;
  try {
    const { jobId, attempt, step, columns, rows, command } = wanted;
    const kept = await engine.findKept({ jobId, attempt, step }, until);
    if (kept === undefined) {
      person.end(jsonFrame("error", { message: "The step's container is not there any more." }));
      return;
    }
    const wish = { columns, rows, ...(command === null ? {} : { command }) };
    session = await kept.openShell(wish, until);
    await joinBoth(session, person, until);
  } catch (err) {
    if (gone.signal.aborted) return;
    if (!signal.aborted) logger.warn({ err, shellId: wanted.id }, "Shell not opened");
    const message = signal.aborted ? "The worker stops." : textOf(err);
    person.end(jsonFrame("error", { message }));
  } finally {
    await session?.close().catch((err: unknown) => {
      logger.warn({ err, shellId: wanted.id }, "Shell left for the reaper");
    });
  }
}

async function joinBoth(session: ShellSession, person: Duplex, until: AbortSignal): Promise<void> {
  const { input, output } = session;
  const reader = frameReader();
  const stopped = new Promise<never>((_resolve, reject) => {
    until.addEventListener("abort", () => reject(until.reason as Error), { once: true });
  });
  stopped.catch(() => undefined);
  input.on("error", () => undefined);
  person.on("data", (chunk: Buffer) => {
    for (const { kind, payload } of reader.push(chunk)) {
      if (kind === "data") input.write(payload);
      if (kind !== "resize") continue;
      const size = terminalSize.safeParse(JSON.parse(payload.toString()));
      // A shell that ends at this moment has no size any more.
      if (size.success) session.resize(size.data).catch(() => undefined);
    }
  });
  output.on("data", (chunk: Buffer) => {
    // A person who reads slowly holds the shell back.
    if (person.write(dataFrames(chunk))) return;
    output.pause();
    person.once("drain", () => output.resume());
  });
  const told = finished(output as never, { writable: false, error: false }).catch(() => undefined);
  const code = await Promise.race([session.ended(), stopped]);
  await Promise.race([told, stopped]);
  person.end(jsonFrame("exit", { code }));
}

function textOf(err: unknown): string {
  if (err instanceof InfraFault) return err.message.slice(0, 900);
  return "The worker could not open a shell; its log says why.";
}
