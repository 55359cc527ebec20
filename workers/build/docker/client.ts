import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import Dockerode from "dockerode";
import { deadlineIn } from "../../../src/shared/deadline.ts";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import type { InfraFaultCode } from "../../../src/domain/faults.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import { raceAbort } from "../race-abort.ts";

/** Where the engine listens: a socket of this machine, or a host (with TLS where keys are given). */
export type EngineAddress =
  | { readonly socketPath: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
    };

/** What every part of the Docker engine needs. */
export interface DockerDeps {
  readonly docker: Dockerode;
  /** The same engine by a new connection for each call. */
  readonly fresh: Dockerode;
  readonly logger: Logger;
  /** All our cgroups are below this one, so that even unlabelled build containers are known. */
  readonly cgroupParent: string;
  /** What the engine is making right now. */
  readonly making: Set<Promise<unknown>>;
  /** How long the pull of an image may take; undefined: like other transfers. */
  readonly pullMs?: number;
}

/**
 * Throws when the engine takes no new connections. One that stops goes on answering on those it has
 * while it ends its containers, and what they exit with then is its doing and nobody's verdict.
 */
export async function confirmThere({ fresh }: Pick<DockerDeps, "fresh">): Promise<void> {
  const signal = new AbortController().signal;
  await call({ doing: "go on", deadlineMs: DEADLINE_MS.quick, signal }, () => fresh.ping());
}

/** Bounds on single calls: a hung engine must end in a fault, not in silence. */
export const DEADLINE_MS = {
  quick: 30_000,
  /** Creating, starting and removing touch disks and networks, and queue behind each other. */
  heavy: 120_000,
  /** Whole transfers: an archive in or out, or the pull of an image. */
  transfer: 600_000,
} as const;

export function connect(address: EngineAddress): Dockerode {
  return new Dockerode(optionsFor(address));
}

/** No connection is used twice, so each call shows whether the engine takes new ones. */
export function connectAnew(address: EngineAddress): Dockerode {
  const isTls = "host" in address && address.tls !== undefined;
  const agent = new (isTls ? HttpsAgent : HttpAgent)({ keepAlive: false });
  return new Dockerode({ ...optionsFor(address), agent } as object);
}

function optionsFor(address: EngineAddress): object {
  // The explicit `host` matters: without it the library would prefer DOCKER_HOST to our setting.
  if ("socketPath" in address) return { ...address, host: undefined, protocol: "http" };
  const { host, port, tls } = address;
  return { host, port, protocol: tls ? "https" : "http", ...tls };
}

export interface CallOptions {
  /** What we were doing, for the message: "create a container". */
  readonly doing: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/**
 * Has the engine make something. The engine finishes what it began although its caller has gone, so
 * a creation is always heard out: whoever removes afterwards waits for `making` and then finds it.
 */
export async function make<T>(
  { making }: Pick<DockerDeps, "making">,
  { signal, ...options }: CallOptions,
  run: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const made = call({ ...options, signal: new AbortController().signal }, run);
  making.add(made);
  try {
    return await made;
  } finally {
    making.delete(made);
  }
}

/**
 * One call to the engine, with a deadline. The library's own promise stays pending for ever when the
 * engine dies between head and body of an answer, so the race is ours.
 */
export async function call<T>(
  { doing, deadlineMs, signal }: CallOptions,
  run: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  using deadline = deadlineIn(deadlineMs);
  const either = AbortSignal.any([signal, deadline.signal]);
  try {
    return await raceAbort(run(either), either);
  } catch (err) {
    signal.throwIfAborted();
    if (!deadline.signal.aborted) throw engineFault(err, doing);
    const message = `The engine did not ${doing} within ${deadlineMs / 1000} s.`;
    throw new InfraFault("ENGINE_UNAVAILABLE", message, { cause: deadline.signal.reason });
  }
}

/** Whether a call of ours ended because its deadline had passed. */
export function isOverDeadline(err: unknown): boolean {
  if (!(err instanceof InfraFault) || !(err.cause instanceof DOMException)) return false;
  return err.cause.name === "TimeoutError";
}

/** An error of the library or of the connection becomes an infra fault; faults stay what they are. */
export function engineFault(err: unknown, doing: string): Error {
  if (err instanceof InfraFault || err instanceof UserFault) return err;
  const message = engineMessage(err);
  return new InfraFault(faultCode(err, message), `The engine could not ${doing}: ${message}`, {
    cause: err,
  });
}

function faultCode(err: unknown, message: string): InfraFaultCode {
  if (/no space left on device|disk quota exceeded/i.test(message)) return "DISK_FULL";
  return statusOf(err) === undefined ? "ENGINE_UNAVAILABLE" : "ENGINE_FAILED";
}

/** The status the engine answered; undefined when no answer came. */
export function statusOf(err: unknown): number | undefined {
  if (!(err instanceof Error) || !("statusCode" in err)) return undefined;
  return typeof err.statusCode === "number" ? err.statusCode : undefined;
}

/** The engine's own words, without the library's "(HTTP code 404) no such container - ". */
export function engineMessage(err: unknown): string {
  const message = err instanceof Error ? err.message : String(err);
  return message.replace(/^\(HTTP code \d+\) [^-]* - /, "").trim();
}

/**
 * Runs what sends `source`. An error of the source is its own and stays as it is; a source that the
 * engine did not want to the end is closed, so that whoever fills it ends too.
 */
export async function sending<T>(source: NodeJS.ReadableStream, run: () => Promise<T>): Promise<T> {
  const broken = Promise.withResolvers<never>();
  let hasEnded = false;
  source.once("end", () => void (hasEnded = true));
  source.once("error", broken.reject);
  source.once("close", () => {
    if (!hasEnded) broken.reject(new Error("What was being sent to the engine ended early."));
  });
  broken.promise.catch(() => undefined);
  try {
    return await Promise.race([broken.promise, run()]);
  } finally {
    if (!hasEnded && "destroy" in source) (source as Readable).destroy();
  }
}

/** Runs a call that may find nothing: undefined when the engine answers 404. */
export async function callOrNothing<T>(
  options: CallOptions,
  run: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  return call(options, async (abortSignal) => {
    try {
      return await run(abortSignal);
    } catch (err) {
      if (statusOf(err) === 404) return undefined;
      throw err;
    }
  });
}
