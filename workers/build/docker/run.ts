import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { InfraFault, UserFault } from "../../../src/domain/faults.ts";
import type { ContainerEnd } from "../../../src/domain/step.ts";
import { DEADLINE_MS, call, confirmThere, statusOf } from "./client.ts";
import type { CallOptions, DockerDeps } from "./client.ts";
import { diskFull } from "./disk.ts";
import { gateLines, gateWordIn } from "./gate.ts";
import type { GateWord } from "./gate.ts";
import { followLogs } from "./follow-logs.ts";
import type { Piece } from "./frames.ts";
import { DockerOutput, piecesTo } from "./output.ts";
import type { ContainerSpec, OnOutput, OutputStart } from "../engine.ts";
import { raceAbort } from "../race-abort.ts";

const STOP_GRACE_SECONDS = 10;
const STOP_DEADLINE_MS = STOP_GRACE_SECONDS * 1000 + DEADLINE_MS.quick;
/** Exit and end of output belong together; so long one may wait for the other without a byte. */
const SETTLE_MS = 30_000;

export type RunSpec = Pick<ContainerSpec, "limits" | "secrets" | "gate">;

/** The one run of a container: from the attached output to how it ended. */
export class DockerRun {
  readonly #deps: DockerDeps;
  readonly #container: Dockerode.Container;
  readonly #spec: RunSpec;
  /** Ends the connections that live as long as the container. */
  readonly #closed = new AbortController();
  readonly #opened = Promise.withResolvers<{ atMs: number }>();
  readonly #output = new DockerOutput();
  #stdin: Duplex | undefined;
  #exited: Promise<void> | undefined;
  #heard: Promise<void> | undefined;
  readonly #commandExit = Promise.withResolvers<number | null>();
  #memoryPeak: number | null = null;
  /** What its gate said, where only that can tell an end of its own from one by the engine's stop. */
  #word: GateWord | undefined;
  #isAdopted = false;

  constructor(deps: DockerDeps, container: Dockerode.Container, spec: RunSpec) {
    this.#deps = deps;
    this.#container = container;
    this.#spec = spec;
  }

  /**
   * Attaches and begins to wait before it starts, so that neither output nor exit can be missed, and
   * that a gate opens by one write.
   */
  async start(onOutput: OnOutput, signal: AbortSignal): Promise<void> {
    try {
      await this.#follow(onOutput, signal);
      const options = { doing: "start a container", deadlineMs: DEADLINE_MS.heavy, signal };
      await call(options, (abortSignal) => this.#container.start({ abortSignal }));
      // Every command has a gate: the kernel's word that memory ran out is lost until start returns.
      if (!this.#spec.gate) await this.openGate(signal);
    } catch (err) {
      this.close();
      throw startFault(err);
    }
  }

  async #follow(onOutput: OnOutput, signal: AbortSignal): Promise<void> {
    const stdin = { stream: true, stdin: true, hijack: true, abortSignal: this.#closed.signal };
    const [{ output, exit }, gate] = await Promise.all([
      attachTo(this.#container, this.#closed.signal, signal),
      call(quick("attach to a container's gate", signal), () => this.#container.attach(stdin)),
    ]);
    this.#stdin = gate as Duplex;
    // A container that is gone shows in `wait`; here it must not end the process.
    this.#stdin.on("error", () => undefined).resume();
    const onPiece = piecesTo(this.#container.id, onOutput);
    this.#heard = observed(this.#output.handOver(output, onPiece, (note) => this.#note(note)));
    this.#exited = observed(readExit(exit));
  }

  /** Goes on with a run that an earlier life of this worker began, and that may have ended since. */
  async resume(
    onOutput: OnOutput,
    { from, openedAgoMs }: { readonly from: OutputStart | undefined; readonly openedAgoMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    this.#isAdopted = true;
    const closed = this.#closed.signal;
    const waiting = quick("wait for a container", signal);
    const exit = await call(waiting, () => nextExit(this.#container, closed, "not-running"));
    this.#exited = observed(readExit(exit));
    this.#output.listen();
    let hasExited = false;
    this.#exited.then(
      () => (hasExited = true),
      () => undefined,
    );
    const onPiece = piecesTo(this.#container.id, onOutput);
    const logs = {
      from,
      isNote: (text: string) => this.#note(text),
      onPiece: (piece: Piece) => this.#output.hand(piece, onPiece),
      // What is known already is no sign of life, but shows that the last of it is on its way.
      onHeard: () => {
        if (hasExited) this.#output.listen();
      },
      exited: this.#exited,
    };
    this.#heard = observed(followLogs(this.#container, logs, closed));
    this.#opened.resolve({ atMs: performance.now() - openedAgoMs });
  }

  #note(text: string): boolean {
    const word = gateWordIn(text);
    if (word === undefined) return false;
    this.#word = word;
    this.#memoryPeak = word.memoryPeakBytes;
    this.#commandExit.resolve(word.code);
    return true;
  }

  commandExit(): Promise<number | null> {
    return this.#commandExit.promise;
  }

  memoryPeakBytes(): number | null {
    return this.#memoryPeak;
  }

  /** The shell at the gate reads what we tell it; the command's time counts from here. */
  async openGate(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#stdin) throw new Error("The container was never started.");
    this.#output.listen();
    this.#opened.resolve({ atMs: performance.now() });
    this.#stdin.end(gateLines(this.#spec.secrets));
  }

  async wait(signal: AbortSignal): Promise<ContainerEnd> {
    const decided = new AbortController();
    try {
      return await raceAbort(this.#end(decided.signal), signal);
    } catch (err) {
      if (signal.aborted) await this.#stopForGood();
      throw err;
    } finally {
      decided.abort();
      this.#commandExit.resolve(null);
    }
  }

  /** Stops it, if it still runs, and hears it out. */
  async stop(): Promise<void> {
    await this.#stop();
  }

  close(): void {
    this.#closed.abort();
  }

  /** Its own end, or that of the limit it hit: what a stopped container then exits with is noise. */
  async #end(decided: AbortSignal): Promise<ContainerEnd> {
    const { timeoutMs, idleTimeoutMs, diskBytes } = this.#spec.limits;
    const reached: ContainerEnd[] = [];
    const stopAfter = async (how: "over-time" | "silent" | "over-disk", limit: Promise<void>) => {
      await limit;
      reached.push({ how });
      await this.#stop();
      return { how };
    };
    const end = await Promise.race([
      this.#finish(decided),
      stopAfter("over-time", this.#elapse(timeoutMs, decided)),
      stopAfter("silent", this.#fallSilent(idleTimeoutMs, decided)),
      stopAfter("over-disk", this.#fillDisk(diskBytes, decided)),
    ]);
    return reached[0] ?? end;
  }

  async #elapse(ms: number, signal: AbortSignal): Promise<void> {
    const { atMs } = await this.#opened.promise;
    await sleep(Math.max(0, atMs + ms - performance.now()), undefined, { signal });
  }

  async #fallSilent(ms: number, signal: AbortSignal): Promise<void> {
    await this.#opened.promise;
    await this.#output.silence(ms, signal);
  }

  async #fillDisk(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#opened.promise;
    await diskFull(this.#deps, this.#container, bytes, signal);
  }

  /** The end of a stream is not the end of a container, so both are awaited, and inspect decides. */
  async #finish(decided: AbortSignal): Promise<ContainerEnd> {
    if (!this.#exited || !this.#heard) throw new Error("The container was never started.");
    const late = async () => {
      await this.#output.silence(SETTLE_MS, decided);
      throw new InfraFault("ENGINE_FAILED", "The engine lost track of a running container.");
    };
    try {
      await Promise.race([this.#exited, this.#heard]);
      this.#output.listen();
      await Promise.race([Promise.all([this.#exited, this.#heard]), late()]);
    } catch (err) {
      throw brokenOff(err);
    }
    return this.#inspectEnd();
  }

  async #inspectEnd(): Promise<ContainerEnd> {
    // Not the job's signal: how it ended is worth knowing even while the job is being stopped.
    const options = quick("inspect a container", new AbortController().signal);
    const { State: state } = await call(options, (abortSignal) =>
      this.#container.inspect({ abortSignal }),
    );
    if (state.Running) {
      throw new InfraFault("ENGINE_FAILED", "The output ended while the container was running.");
    }
    await confirmThere(this.#deps);
    const { ExitCode: code } = state;
    // Also of a command that passed after that: a shell pipe hides the death of what it waits for. By
    // cgroup v1 a container is told too when only its neighbours ran out: none of its own was killed.
    if (state.OOMKilled && this.#word?.isKilledForMemory !== false) return { how: "out-of-memory" };
    if (code === 127) this.#throwIfNoShell();
    // Nobody was there to see it: without its last word it was ended from outside.
    if (this.#isAdopted && this.#word?.code !== code) {
      throw new InfraFault("ENGINE_FAILED", "A container was ended while its worker was away.");
    }
    return { how: "exited", code };
  }

  /** The container's init, not the engine, finds out that there is no shell, and says so. */
  #throwIfNoShell(): void {
    const text = this.#output.shortText() ?? "";
    const found = /^\[FATAL tini \(\d+\)\] exec sh failed: ([^\n]*)\n$/.exec(text);
    if (found) throw noShell(found[1] ?? "", undefined);
  }

  /** After an abort its reason is what counts; a container that cannot be stopped is reaped. */
  async #stopForGood(): Promise<void> {
    try {
      await this.#stop();
    } catch (err) {
      this.#deps.logger.warn({ err, containerId: this.#container.id }, "Container still runs");
    }
  }

  /** SIGTERM, a grace, SIGKILL; then whatever it still said. Has a deadline of its own. */
  async #stop(): Promise<void> {
    const signal = AbortSignal.timeout(STOP_DEADLINE_MS);
    const options = { doing: "stop a container", deadlineMs: STOP_DEADLINE_MS, signal };
    await call(options, async (abortSignal) => {
      try {
        await this.#container.stop({ t: STOP_GRACE_SECONDS, abortSignal });
      } catch (err) {
        if (statusOf(err) !== 304 && statusOf(err) !== 404) throw err;
      }
    });
    await raceAbort(Promise.allSettled([this.#exited, this.#heard]), signal);
  }
}

/** Attaches and begins to wait, so that neither output nor exit of what is started next is missed. */
export async function attachTo(
  container: Dockerode.Container,
  abortSignal: AbortSignal,
  signal: AbortSignal,
) {
  const attached = { stream: true, stdout: true, stderr: true, abortSignal };
  const [output, exit] = await Promise.all([
    call(quick("attach to a container", signal), () => container.attach(attached)),
    call(quick("wait for a container", signal), () => nextExit(container, abortSignal)),
  ]);
  return { output, exit };
}

function quick(doing: string, signal: AbortSignal): CallOptions {
  return { doing, deadlineMs: DEADLINE_MS.quick, signal };
}

/** Marks a promise as awaited later, so that an early rejection does not end the process. */
export function observed<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * Asks for the next exit and returns once the engine has answered that it waits, so the container may
 * be started. The library's own `wait` would not tell, and never settles when the engine dies.
 */
export async function nextExit(
  container: Dockerode.Container,
  abortSignal: AbortSignal,
  condition: "next-exit" | "not-running" = "next-exit",
): Promise<NodeJS.ReadableStream> {
  const modem: Modem = container.modem;
  const answer = Promise.withResolvers<NodeJS.ReadableStream>();
  const request = {
    path: `/containers/${container.id}/wait?`,
    method: "POST",
    isStream: true,
    abortSignal,
    options: { _query: { condition }, _body: {} },
    statusCodes: { 200: true, 404: "no such container", 500: "server error" },
  };
  modem.dial(request, (err, stream) => (err ? answer.reject(err) : answer.resolve(stream)));
  return answer.promise;
}

interface Modem {
  dial(request: object, done: (err: unknown, stream: NodeJS.ReadableStream) => void): void;
}

export async function readExit(answer: NodeJS.ReadableStream): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  if (Buffer.concat(chunks).includes('"StatusCode":')) return;
  throw new InfraFault("ENGINE_FAILED", "The engine stopped waiting for a container.");
}

/** A broken connection is the engine's fault; what the caller's `onOutput` threw stays as it is. */
function brokenOff(err: unknown): unknown {
  const code = err instanceof Error && "code" in err ? err.code : undefined;
  if (typeof code !== "string" || !/^(ECONN|EPIPE|ERR_STREAM|ABORT_ERR)/.test(code)) return err;
  const message = "The connection to a running container broke.";
  return new InfraFault("ENGINE_FAILED", message, { cause: err });
}

function startFault(err: unknown): unknown {
  const found = /exec: "?sh"?: ([^\n]*)/.exec(err instanceof Error ? err.message : "");
  return found ? noShell(found[1] ?? "", err) : err;
}

function noShell(why: string, cause: unknown): UserFault {
  return new UserFault("NO_SHELL", `The image has no shell that could run the step: ${why}.`, {
    hint: "Steps are run by `sh`: install a shell in the image, for example busybox.",
    cause,
  });
}
