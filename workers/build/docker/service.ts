import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call, callOrNothing, confirmThere } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { createReplacing, removeContainer } from "./container.ts";
import { DockerOutput, piecesTo } from "./output.ts";
import type { OnPiece } from "./output.ts";
import { probeOf } from "./readiness.ts";
import type { Probe } from "./readiness.ts";
import { attachTo, observed, readExit } from "./run.ts";
import { serviceOptions } from "./spec.ts";
import { lineTail } from "./line-tail.ts";
import type { RunningService, ServiceSpec, ServiceStart } from "../engine.ts";
import { raceAbort } from "../race-abort.ts";

const LAST_LINES = 20;
/** Nothing of a service is wanted after its step, so it gets less than a step's grace. */
const STOP_GRACE_SECONDS = 2;
const HEAR_OUT_MS = 10_000;
const REMOVE_DEADLINE_MS = 60_000;

/** Starts a service beside a step, and waits until it is ready or is known never to be. */
export async function startService(
  deps: DockerDeps,
  spec: ServiceSpec,
  signal: AbortSignal,
): Promise<ServiceStart> {
  const options = serviceOptions(deps, spec);
  const container = await createReplacing(deps, { options, owner: spec.owner }, signal);
  const run = new ServiceRun(container, spec);
  try {
    await run.start(signal);
    const why = await run.untilReady(await probeOf(deps, spec, container, signal), signal);
    if (why !== undefined) await confirmThere(deps);
    if (why === undefined) return { kind: "ready", service: run };
    await run.stop(AbortSignal.timeout(REMOVE_DEADLINE_MS));
    return { kind: "not-ready", why, lastLines: run.lastLines() };
  } catch (err) {
    await run.stop(AbortSignal.timeout(REMOVE_DEADLINE_MS)).catch((stopErr: unknown) => {
      deps.logger.warn({ err: stopErr, containerId: container.id }, "Service not removed");
    });
    throw err;
  }
}

class ServiceRun implements RunningService {
  readonly name: string;
  readonly #container: Dockerode.Container;
  readonly #spec: ServiceSpec;
  readonly #closed = new AbortController();
  readonly #tail = lineTail(LAST_LINES);
  #heard: Promise<void> = Promise.resolve();
  #exited: Promise<void> = Promise.resolve();
  #isStarted = false;

  constructor(container: Dockerode.Container, spec: ServiceSpec) {
    this.name = spec.name;
    this.#container = container;
    this.#spec = spec;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { output, exit } = await attachTo(this.#container, this.#closed.signal, signal);
    const hand = piecesTo(this.#container.id, this.#spec.onOutput);
    const onPiece: OnPiece = async (piece) => {
      this.#tail.push(piece.bytes);
      await hand(piece);
    };
    this.#heard = observed(new DockerOutput().handOver(output, onPiece));
    this.#exited = observed(readExit(exit));
    await call({ doing: "start a service", deadlineMs: DEADLINE_MS.heavy, signal }, (abortSignal) =>
      this.#container.start({ abortSignal }),
    );
    this.#isStarted = true;
  }

  /** Undefined once it is ready; else why it is not, as soon as that is certain. */
  async untilReady(probe: Probe, signal: AbortSignal): Promise<string | undefined> {
    const decided = new AbortController();
    const either = AbortSignal.any([signal, decided.signal]);
    try {
      return await raceAbort(
        Promise.race([this.#look(probe, either), this.#exited.then(() => this.#endedEarly())]),
        signal,
      );
    } finally {
      decided.abort();
    }
  }

  async #look({ everyMs, look }: Probe, signal: AbortSignal): Promise<string | undefined> {
    const { readyTimeoutMs } = this.#spec;
    const endMs = performance.now() + readyTimeoutMs;
    let said: string | undefined;
    for (;;) {
      const leftMs = Math.max(1, endMs - performance.now());
      const why = await look(leftMs, signal).catch((err: unknown) => this.#whyNotLooked(err));
      // What passes while it falls over is not ready.
      if (why === undefined) return (await this.#isRunning(signal)) ? undefined : this.#exitedWhy();
      // A look that the end of all time cut short tells less than one that came to its own.
      if (said === undefined || performance.now() < endMs) said = why;
      if (performance.now() + everyMs >= endMs) {
        return `it was not ready within ${readyTimeoutMs / 1000} s: ${said}`;
      }
      await sleep(everyMs, undefined, { signal });
    }
  }

  /** A look fails when the service ends under it; anything else is the engine's fault. */
  async #whyNotLooked(err: unknown): Promise<string> {
    if (await this.#isRunning(this.#closed.signal)) throw err;
    return this.#exitedWhy();
  }

  async #exitedWhy(): Promise<string> {
    await this.#exited;
    return this.#endedEarly();
  }

  async #endedEarly(): Promise<string> {
    const state = await this.#state(this.#closed.signal);
    if (state?.OOMKilled) return "it ran out of memory";
    return `it ended with exit code ${state?.ExitCode ?? "unknown"}`;
  }

  async #isRunning(signal: AbortSignal): Promise<boolean> {
    return (await this.#state(signal))?.Running ?? false;
  }

  async #state(signal: AbortSignal) {
    const found = await callOrNothing(
      { doing: "inspect a service", deadlineMs: DEADLINE_MS.quick, signal },
      (abortSignal) => this.#container.inspect({ abortSignal }),
    );
    return found?.State;
  }

  lastLines(): string {
    return this.#tail.text();
  }

  async stop(signal: AbortSignal): Promise<void> {
    if (this.#isStarted) await this.#hearOut(signal);
    this.#closed.abort();
    await removeContainer(this.#container, signal);
  }

  async #hearOut(signal: AbortSignal): Promise<void> {
    const stopping = { doing: "stop a service", deadlineMs: DEADLINE_MS.heavy, signal };
    await call(stopping, (abortSignal) =>
      // Not running, already stopped, or gone: all of that is what is wanted.
      this.#container.stop({ t: STOP_GRACE_SECONDS, abortSignal }).catch(() => undefined),
    );
    const patience = AbortSignal.any([signal, AbortSignal.timeout(HEAR_OUT_MS)]);
    await raceAbort(this.#heard, patience).catch(() => undefined);
  }
}
