import { setTimeout as sleep } from "node:timers/promises";
import { PassThrough } from "node:stream";
import { InfraFault } from "../../src/domain/faults.ts";
import type {
  AdoptedService,
  BuildImageOptions,
  Container,
  ContainerSpec,
  CreateWorkspaceOptions,
  Egress,
  Engine,
  Image,
  ImageBuild,
  KeptContainer,
  KeptUntil,
  NetworkHandle,
  Owner,
  ServiceSpec,
  ServiceStart,
  ShellSession,
  WorkspaceHandle,
} from "../../workers/build/engine.ts";
import { ScriptedContainer } from "./scripted-container.ts";
import { hold, idOf, isKept, readTar } from "./scripted-world.ts";
import type { StepScript, World } from "./scripted-world.ts";

export type { StepScript } from "./scripted-world.ts";

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

const IMAGE: Image = {
  id: "sha256:scripted",
  user: "",
  env: [],
  workingDir: "/",
  digest: "sha256:scripted",
};

/** An engine that does as it is told, step by step, for tests of control flow. */
export function scriptedEngine(
  scripts: Readonly<Record<string, StepScript>> = {},
  { images, failing, now = Date.now }: ScriptedEngineOptions = {},
): ScriptedEngine {
  const world: World = {
    scripts,
    held: new Map(),
    volumes: new Map(),
    history: [],
    kept: new Map(),
    containers: new Map(),
    now,
  };
  const calls: Engine = {
    answers: async () => undefined,
    listStored: async () => [],
    freeBytes: async () => undefined,
    writtenBytes: async () => new Map(),
    pruneBuildCache: async () => undefined,
    ping: async () => ({
      version: "scripted",
      cgroupVersion: "2",
      cpus: 4,
      memoryBytes: 8e9,
      hasBuildKit: true,
    }),
    buildImage: (options, signal) => buildImage(world, options, signal),
    findImage: async (name) => findImage(images, name),
    findLayer: async () => undefined,
    keepLayer: async () => IMAGE,
    createNetwork: async (owner, { egress }) => createNetwork(world, owner, egress),
    createWorkspace: (options) => createWorkspace(world, options),
    createContainer: async (spec) => createContainer(world, spec),
    startService: (spec) => startService(world, spec),
    adoptContainer: async ({ containerId }) => {
      const found = world.containers.get(containerId);
      return found?.isStarted && world.held.has(containerId) ? found : undefined;
    },
    adoptService: async (owner, { name }) => adoptService(world, owner, name),
    findKept: async (step) => findKept(world, step),
    listKept: async (workerId) => listKept(world, workerId),
    removeAllOf: async (owner) => removeAllOf(world, owner),
    listLeftovers: async () => [...world.held.values()].filter(({ id }) => !isKept(world, id)),
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

/** Every call hears an aborted signal, as on the real engine. */
function guarded(
  name: keyof Engine,
  run: (...args: never[]) => unknown,
  failing: ScriptedEngineOptions["failing"],
) {
  return async (...args: never[]) => {
    for (const arg of args as readonly unknown[]) {
      if (arg instanceof AbortSignal) arg.throwIfAborted();
    }
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
  return build ?? { kind: "built", image: IMAGE, layers: null };
}

function findImage(images: ScriptedEngineOptions["images"], name: string): Image {
  if (!images) return { ...IMAGE, id: `sha256:${name}`, digest: `sha256:${name}` };
  const image = images[name];
  if (image) return image;
  throw new InfraFault("IMAGE_UNAVAILABLE", `Image "${name}" could not be had.`);
}

function createNetwork(world: World, owner: Owner, egress: Egress): NetworkHandle {
  const { id, name } = hold(world, "network", owner);
  world.history.push(`network ${egress}`);
  return { id, name, gateway: null, egress, proxy: null };
}

async function startService(world: World, spec: ServiceSpec): Promise<ServiceStart> {
  const { owner, name, onOutput } = spec;
  world.history.push(`service ${owner.step}`);
  const { notReady: why, output = [] } = world.scripts[owner.step] ?? {};
  const { id } = hold(world, "container", owner);
  let stdout = 0;
  for (const text of output) {
    const bytes = Buffer.from(text);
    stdout += bytes.length;
    await onOutput(bytes, { container: id, stream: "stdout", stdout, stderr: 0 });
  }
  const stop = async () => {
    if (world.held.delete(id)) world.history.push(`remove ${owner.step}`);
  };
  if (why === undefined) return { kind: "ready", service: { name, stop } };
  await stop();
  return { kind: "not-ready", why, lastLines: output.join("").trimEnd() };
}

function adoptService(world: World, owner: Owner, name: string): AdoptedService | undefined {
  const id = idOf("container", owner);
  if (!world.held.has(id)) return undefined;
  const stop = async () => {
    if (world.held.delete(id)) world.history.push(`remove ${owner.step}`);
  };
  return { id, name, stop, follow: async () => undefined };
}

function findKept(
  world: World,
  { jobId, attempt, step }: Omit<Owner, "workerId">,
): KeptContainer | undefined {
  const id = idOf("container", { jobId, attempt, step });
  const until = world.kept.get(id);
  if (until === undefined || !isKept(world, id)) return undefined;
  return { id, until, openShell: async () => openShell(world, step) };
}

function listKept(world: World, workerId: string): readonly KeptUntil[] {
  const held = [...world.held.values()].filter((one) => one.workerId === workerId);
  const kept = held.flatMap(({ id, kind }) => {
    const until = kind === "container" ? world.kept.get(id) : undefined;
    const remove = async (): Promise<void> => {
      world.kept.delete(id);
      world.held.delete(id);
    };
    return until === undefined ? [] : [{ until, remove }];
  });
  return kept.toSorted((a, b) => a.until - b.until);
}

/** A shell that says what it was told, and ends with the code after `exit`. */
function openShell({ history }: World, step: string): ShellSession {
  history.push(`shell ${step}`);
  const input = new PassThrough();
  const output = new PassThrough();
  const ended = Promise.withResolvers<number>();
  let line = "";
  input.on("data", (chunk: Buffer) => {
    output.write(chunk);
    line += chunk.toString();
    const code = /^exit (\d+)\r?\n/m.exec(line)?.[1];
    if (code !== undefined) ended.resolve(Number(code));
  });
  return {
    input,
    output,
    resize: async () => undefined,
    ended: () => ended.promise,
    close: async () => {
      history.push(`close ${step}`);
      output.end();
    },
  };
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
  const { id } = hold(world, "container", spec.owner);
  const container = new ScriptedContainer(world, spec, id);
  world.containers.set(id, container);
  return container;
}

function removeAllOf(world: World, { jobId, attempt }: Pick<Owner, "jobId" | "attempt">): void {
  const { held } = world;
  for (const { id, jobId: job, attempt: number } of held.values()) {
    if (job === jobId && number === attempt && !isKept(world, id)) held.delete(id);
  }
}

async function sleepOrReason(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
