import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";
import { InfraFault } from "../../src/domain/faults.ts";
import type { ContainerEnd } from "../../src/domain/step.ts";
import type {
  BuildImageOptions,
  Container,
  ContainerSpec,
  CreateWorkspaceOptions,
  Engine,
  Image,
  ImageBuild,
  Leftover,
  NetworkHandle,
  Owner,
  WorkspaceHandle,
} from "../../workers/build/engine.ts";

/** What happens in the step of one name; a step without a script passes in silence. */
export interface StepScript {
  /** `hangs`: runs until it is stopped or hits a limit. `lost`: the engine forgets it. */
  readonly how?: ContainerEnd["how"] | "hangs" | "lost";
  readonly code?: number;
  /** Handed over chunk by chunk. */
  readonly output?: readonly string[];
  /** How long it runs before it ends. */
  readonly lastsMs?: number;
  /** What it leaves behind: path → content. */
  readonly files?: Readonly<Record<string, string>>;
  /** For the step that builds the image: a build to return, or a fault to throw. */
  readonly build?: ImageBuild | Error;
}

export interface ScriptedEngineOptions {
  /** Images that can be found by name; without it every name is found. */
  readonly images?: Readonly<Record<string, Image>>;
  /** Asked before each call: an error that it returns is what the call throws. */
  readonly failing?: (call: keyof Engine) => Error | undefined;
  readonly now?: () => number;
}

export interface ScriptedEngine extends Engine {
  /** What is on the engine now, as "kind name", without images. */
  leftovers(): readonly string[];
  /** What was asked of it, in order, as "verb name". */
  history(): readonly string[];
}

type Files = Map<string, Buffer>;

interface Held extends Leftover {
  readonly name: string;
}

interface World {
  readonly scripts: Readonly<Record<string, StepScript>>;
  readonly held: Map<string, Held>;
  readonly volumes: Map<string, Files>;
  readonly history: string[];
  readonly now: () => number;
}

const IMAGE: Image = { id: "sha256:scripted", user: "", env: [] };

/** An engine that does as it is told, step by step, for tests of control flow. */
export function scriptedEngine(
  scripts: Readonly<Record<string, StepScript>> = {},
  { images, failing, now = Date.now }: ScriptedEngineOptions = {},
): ScriptedEngine {
  const world: World = { scripts, held: new Map(), volumes: new Map(), history: [], now };
  const calls: Engine = {
    ping: async () => ({ version: "scripted", cgroupVersion: "2", cpus: 4, memoryBytes: 8e9 }),
    buildImage: (options, signal) => buildImage(world, options, signal),
    findImage: async (name) => findImage(images, name),
    createNetwork: async (owner) => createNetwork(world, owner),
    createWorkspace: (options) => createWorkspace(world, options),
    createContainer: async (spec) => createContainer(world, spec),
    removeAllOf: async (owner) => removeAllOf(world, owner),
    listLeftovers: async () => [...world.held.values()],
    removeLeftover: async ({ id }) => void world.held.delete(id),
  };
  const engine = Object.fromEntries(
    Object.entries(calls).map(([name, run]) => [name, guarded(name as keyof Engine, run, failing)]),
  ) as unknown as Engine;

  return {
    ...engine,
    leftovers: () => [...world.held.values()].map(({ kind, name }) => `${kind} ${name}`),
    history: () => world.history,
  };
}

/** Every call hears an aborted signal, as on the real engine; it is the last argument. */
function guarded(
  name: keyof Engine,
  run: (...args: never[]) => unknown,
  failing: ScriptedEngineOptions["failing"],
) {
  return async (...args: never[]) => {
    (args.at(-1) as AbortSignal | undefined)?.throwIfAborted();
    const err = failing?.(name);
    if (err) throw err;
    return run(...args);
  };
}

async function buildImage(
  { scripts, history }: World,
  { owner, context, onOutput, timeoutMs }: BuildImageOptions,
  signal: AbortSignal,
): Promise<ImageBuild> {
  history.push(`build ${owner.step}`);
  const { build, output = [], lastsMs = 0, how } = scripts[owner.step] ?? {};
  await readTar(context);
  for (const text of output) onOutput(Buffer.from(text));
  const tookMs = how === "hangs" ? Number.MAX_SAFE_INTEGER : lastsMs;
  await sleepOrReason(Math.min(tookMs, timeoutMs), signal);
  if (tookMs > timeoutMs) return { kind: "over-time" };
  if (build instanceof Error) throw build;
  return build ?? { kind: "built", image: IMAGE };
}

function findImage(images: ScriptedEngineOptions["images"], name: string): Image {
  if (!images) return { ...IMAGE, id: `sha256:${name}` };
  const image = images[name];
  if (image) return image;
  throw new InfraFault("IMAGE_UNAVAILABLE", `Image "${name}" could not be had.`);
}

function createNetwork(world: World, owner: Owner): NetworkHandle {
  const { id, name } = hold(world, "network", owner);
  return { id, name };
}

async function createWorkspace(
  world: World,
  { owner, image, tree, steps }: CreateWorkspaceOptions,
): Promise<WorkspaceHandle> {
  world.history.push(`workspace ${owner.step}`);
  const uid = /^\d+/.test(image.user) ? Number.parseInt(image.user, 10) : image.user ? 1000 : 0;
  const seed = await readTar(tree({ uid, gid: uid }));
  const volumes = new Map(
    steps.map((step) => {
      const { id } = hold(world, "volume", { ...owner, step: `${owner.step}-${step}` });
      world.volumes.set(id, new Map(seed));
      return [step, id];
    }),
  );
  const volumeFor = (step: string) => {
    const id = volumes.get(step);
    if (id === undefined) throw new Error(`The workspace was made without the step "${step}".`);
    return id;
  };
  return { volumeFor, uid, gid: uid, home: image.user === "" ? "/root" : `/home/${image.user}` };
}

function createContainer(world: World, spec: ContainerSpec): Container {
  world.history.push(`create ${spec.owner.step}`);
  return new ScriptedContainer(world, spec, hold(world, "container", spec.owner).id);
}

function hold({ held, now }: World, kind: Leftover["kind"], owner: Owner): Held {
  const { workerId, jobId, attempt, step } = owner;
  const id = `${kind}-${jobId}-${attempt}-${step}`;
  const found = { kind, id, name: step, workerId, jobId, attempt, createdAt: now() };
  held.set(id, found);
  return found;
}

function removeAllOf({ held }: World, { jobId, attempt }: Pick<Owner, "jobId" | "attempt">): void {
  for (const { id, jobId: job, attempt: number } of held.values()) {
    if (job === jobId && number === attempt) held.delete(id);
  }
}

class ScriptedContainer implements Container {
  readonly id: string;
  readonly #world: World;
  readonly #spec: ContainerSpec;
  readonly #own: Files = new Map();
  readonly #opened = Promise.withResolvers<void>();
  #ended: Promise<ContainerEnd> | undefined;

  constructor(world: World, spec: ContainerSpec, id: string) {
    this.#world = world;
    this.#spec = spec;
    this.id = id;
  }

  async putArchive(tar: NodeJS.ReadableStream, path: string): Promise<void> {
    for (const [name, content] of await readTar(tar)) this.#write(posix.join(path, name), content);
  }

  async start(
    onOutput: (chunk: Buffer) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    this.#note("start");
    if (!this.#spec.gate) this.#opened.resolve();
    this.#ended = this.#run(onOutput);
    this.#ended.catch(() => undefined);
  }

  async openGate(): Promise<void> {
    this.#note("open");
    this.#opened.resolve();
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

  async remove(): Promise<void> {
    this.#note("remove");
    this.#world.held.delete(this.id);
  }

  async #run(onOutput: (chunk: Buffer) => void | Promise<void>): Promise<ContainerEnd> {
    await this.#opened.promise;
    const { output = [], lastsMs = 0, how, code, files = {} } = this.#script();
    for (const text of output) await onOutput(Buffer.from(text));
    await sleep(lastsMs);
    for (const [path, text] of Object.entries(files)) this.#write(path, Buffer.from(text));
    if (how === "lost") throw new InfraFault("ENGINE_FAILED", "The engine forgot a container.");
    if (how === "hangs") return this.#hang();
    if (how === undefined || how === "exited") return { how: "exited", code: code ?? 0 };
    return { how };
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

async function readTar(tar: NodeJS.ReadableStream): Promise<Files> {
  const files: Files = new Map();
  const entries = extract();
  tar.on("error", (err) => entries.destroy(err)).pipe(entries);
  for await (const entry of entries) {
    const content = await buffer(entry);
    if (entry.header.type === "file") files.set(posix.normalize(entry.header.name), content);
  }
  return files;
}

async function sleepOrReason(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
