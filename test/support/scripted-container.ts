import { setTimeout as sleep } from "node:timers/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { InfraFault } from "../../src/domain/faults.ts";
import type { ContainerEnd } from "../../src/domain/step.ts";
import type {
  AdoptedContainer,
  Container,
  ContainerSpec,
  OnOutput,
  OutputStart,
} from "../../workers/build/engine.ts";
import { readTar } from "./scripted-world.ts";
import type { Files, StepScript, World } from "./scripted-world.ts";

export class ScriptedContainer implements Container, AdoptedContainer {
  readonly id: string;
  readonly #world: World;
  readonly #spec: ContainerSpec;
  readonly #own: Files = new Map();
  readonly #opened = Promise.withResolvers<void>();
  readonly #commandExit = Promise.withResolvers<number | null>();
  #ended: Promise<ContainerEnd> | undefined;
  /** What it has printed, for whoever finds it again. */
  #printed = Buffer.alloc(0);
  #onOutput: OnOutput = () => undefined;
  /** Whoever listened is gone: what is printed is kept, as an engine does. */
  #takenBytes = 0;

  constructor(world: World, spec: ContainerSpec, id: string) {
    this.#world = world;
    this.#spec = spec;
    this.id = id;
  }

  async putArchive(tar: NodeJS.ReadableStream, path: string): Promise<void> {
    for (const [name, content] of await readTar(tar)) this.#write(posix.join(path, name), content);
  }

  get uses(): readonly string[] {
    const { volumes, network } = this.#spec;
    return [...Object.keys(volumes), ...(network === "none" ? [] : [network.id])];
  }

  get isStarted(): boolean {
    return this.#ended !== undefined;
  }

  async follow(onOutput: OnOutput, from: OutputStart | undefined): Promise<void> {
    this.#note("follow");
    this.#onOutput = onOutput;
    this.#takenBytes = from?.stdout ?? 0;
    await this.#hand();
  }

  async start(onOutput: OnOutput, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#note("start");
    if (!this.#spec.gate) this.#opened.resolve();
    this.#onOutput = onOutput;
    this.#ended = this.#run();
    this.#ended.catch(() => undefined);
  }

  async openGate(): Promise<void> {
    this.#note("open");
    this.#opened.resolve();
  }

  commandExit(): Promise<number | null> {
    return this.#commandExit.promise;
  }

  async wait(signal: AbortSignal): Promise<ContainerEnd> {
    if (!this.#ended) throw new Error("The container was never started.");
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => {
      this.#note("stop");
      aborted.reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([this.#ended, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#commandExit.resolve(null);
    }
  }

  async getArchive(path: string): Promise<NodeJS.ReadableStream | undefined> {
    const found = this.#under(path);
    if (found.length === 0) return undefined;
    const tar = pack();
    // As Docker does it, names begin with the last part of the path that was asked for.
    for (const [file, content] of found) {
      tar.entry({ name: posix.relative(posix.dirname(path), file) }, content);
    }
    tar.finalize();
    return Readable.from(tar, { objectMode: false });
  }

  memoryPeakBytes(): number | null {
    return this.#script().memoryPeakBytes ?? null;
  }

  async keepUntil(at: number): Promise<void> {
    this.#note("keep");
    this.#world.kept.set(this.id, at);
    for (const volume of Object.keys(this.#spec.volumes)) this.#world.kept.set(volume, at);
  }

  async remove(): Promise<void> {
    this.#note("remove");
    this.#world.kept.delete(this.id);
    this.#world.held.delete(this.id);
  }

  async #hand(): Promise<void> {
    const fresh = this.#printed.subarray(this.#takenBytes);
    if (fresh.length === 0) return;
    const stdout = (this.#takenBytes += fresh.length);
    await this.#onOutput(fresh, { container: this.id, stream: "stdout", stdout, stderr: 0 });
  }

  async #run(): Promise<ContainerEnd> {
    await this.#opened.promise;
    for (const { name, value } of this.#spec.secrets ?? []) {
      this.#write(`/run/secrets/${name}`, Buffer.from(value));
    }
    const { output = [], lastsMs = 0, how, code, files = {}, said, lingers } = this.#script();
    for (const text of output) {
      this.#printed = Buffer.concat([this.#printed, Buffer.from(text)]);
      await this.#hand();
    }
    await sleep(lastsMs);
    for (const [path, text] of Object.entries(files)) this.#write(path, Buffer.from(text));
    if (how === "lost") throw new InfraFault("ENGINE_FAILED", "The engine forgot a container.");
    if (how === "hangs") return this.#hang();
    if (how !== undefined && how !== "exited") return { how };
    this.#commandExit.resolve(said ?? code ?? 0);
    await lingers;
    return { how: "exited", code: code ?? 0 };
  }

  async #hang(): Promise<ContainerEnd> {
    const { timeoutMs, idleTimeoutMs } = this.#spec.limits;
    await sleep(Math.min(timeoutMs, idleTimeoutMs), undefined, { ref: false });
    this.#note("stop");
    return { how: timeoutMs <= idleTimeoutMs ? "over-time" : "silent" };
  }

  #script(): StepScript {
    return this.#world.scripts[this.#spec.owner.step] ?? {};
  }

  #note(verb: string): void {
    this.#world.history.push(`${verb} ${this.#spec.owner.step}`);
  }

  #write(path: string, content: Buffer): void {
    const [files, name] = this.#place(path);
    files.set(name, content);
  }

  /** The volume mounted over this path, and the path inside it; else the container's own files. */
  #place(path: string): [Files, string] {
    for (const [volume, target] of Object.entries(this.#spec.volumes)) {
      const files = this.#world.volumes.get(volume);
      if (files && path.startsWith(`${target}/`)) return [files, posix.relative(target, path)];
    }
    return [this.#own, path];
  }

  #under(path: string): [string, Buffer][] {
    const mounted = Object.entries(this.#spec.volumes).flatMap(([volume, target]) =>
      [...(this.#world.volumes.get(volume) ?? [])].map(([name, content]): [string, Buffer] => [
        posix.join(target, name),
        content,
      ]),
    );
    return [...this.#own, ...mounted].filter(
      ([file]) => file === path || file.startsWith(`${path}/`),
    );
  }
}
