import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import Dockerode from "dockerode";
import { extract, pack } from "tar-stream";
import { InfraFault } from "../../src/domain/faults.ts";
import type { Logger } from "../../src/shared/logger.ts";
import { dockerEngine } from "../../workers/build/docker/docker-engine.ts";
import type {
  BuildImageOptions,
  Container,
  ContainerLimits,
  ContainerSpec,
  Engine,
  Image,
  Leftover,
  Owner,
} from "../../workers/build/engine.ts";

export const BASE_IMAGE = "tatara/base:latest";
export const SOCKET_PATH = "/var/run/docker.sock";

export const MIB = 1024 * 1024;
export const LIMITS: ContainerLimits = {
  memoryBytes: 256 * MIB,
  cpus: 2,
  pids: 256,
  diskBytes: 0,
  timeoutMs: 240_000,
  idleTimeoutMs: 240_000,
};

export const never = new AbortController().signal;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

/** The engine on this machine's Docker. */
export function realEngine({
  socketPath = SOCKET_PATH,
  imageTtlMs = 0,
  mirrorProxy = null as string | null,
  now = Date.now,
  cgroupParent = "/tatara",
  pullMs = 600_000,
} = {}): Engine {
  return dockerEngine({
    address: { socketPath },
    logger: silent,
    now,
    cgroupParent,
    buildLimits: { memoryBytes: 256 * MIB, cpus: 2 },
    imageTtlMs,
    mirrorProxy,
    pullMs,
  });
}

/** Docker's own view, to check the engine's work against. */
export const docker = new Dockerode({ socketPath: SOCKET_PATH });
export const engine = realEngine();

export interface TestJob {
  readonly jobId: string;
  owner(step: string): Owner;
  /** A spec with everything a test does not care about. */
  spec(step: string, command: readonly string[], changes?: Partial<ContainerSpec>): ContainerSpec;
  leftovers(): Promise<readonly Leftover[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A job of its own on the engine; its end fails the test if anything of it stays behind. */
export function openJob(engine: Engine, image: Image, workerId = "engine-test"): TestJob {
  const jobId = randomUUID().slice(0, 8);
  const owner = (step: string): Owner => ({ workerId, jobId, attempt: 1, step });
  const leftovers = async () =>
    (await engine.listLeftovers(never)).filter((leftover) => leftover.jobId === jobId);

  return {
    jobId,
    owner,
    spec: (step, command, changes) => ({
      owner: owner(step),
      image,
      command,
      env: {},
      workingDir: "/",
      volumes: {},
      network: "none",
      privilege: "test",
      limits: LIMITS,
      gate: false,
      ...changes,
    }),
    leftovers,
    async [Symbol.asyncDispose]() {
      await engine.removeAllOf({ jobId, attempt: 1 }, never);
      const left = await leftovers();
      if (left.length > 0) throw new Error(`Left behind: ${JSON.stringify(left)}`);
    },
  };
}

/** Runs a spec to its end and says what it printed. */
export async function runToEnd(engine: Engine, spec: ContainerSpec, signal = never) {
  const container = await engine.createContainer(spec, signal);
  const output = collector();
  await container.start(output.take, signal);
  const end = await container.wait(signal);
  return { container, end, output: output.text() };
}

export function collector() {
  const chunks: Buffer[] = [];
  return {
    take: (chunk: Buffer) => void chunks.push(chunk),
    bytes: () => Buffer.concat(chunks),
    text: () => Buffer.concat(chunks).toString(),
  };
}

/** Reads output, and calls once when it has matched: chunks end anywhere. */
export function onceSaid(pattern: RegExp, call: () => void): (chunk: Buffer) => void {
  let said = "";
  let isCalled = false;
  return (chunk) => {
    said += chunk.toString();
    if (isCalled || !pattern.test(said)) return;
    isCalled = true;
    call();
  };
}

/** A tar of these files, as a worker would send it. */
export function tarOf(
  files: Readonly<Record<string, string>>,
  owner: { uid: number; gid: number } = { uid: 0, gid: 0 },
): Readable {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, ...owner }, content);
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

/** The regular files at a path of a container: name → content; undefined when there is no such path. */
export async function filesAt(container: Container, path: string) {
  const archive = await container.getArchive(path, never);
  if (!archive) return undefined;
  const files: Record<string, string> = {};
  const entries = extract();
  archive.on("error", (err) => entries.destroy(err)).pipe(entries);
  for await (const entry of entries) {
    const content = await buffer(entry);
    if (entry.header.type === "file") files[entry.header.name] = content.toString();
  }
  return files;
}

/** Removes an image that a test built; its layers stay the cache of other tests only if they need them. */
export async function removeImage(engine: Engine, { id }: Image): Promise<void> {
  const nobody = { workerId: undefined, jobId: undefined, attempt: undefined, createdAt: 0 };
  await engine.removeLeftover({ kind: "image", id, ...nobody }, never);
}

/** A job on this machine's Docker. */
export async function newJob() {
  const image = await engine.findImage(BASE_IMAGE, never);
  return { image, job: openJob(engine, image) };
}

/** Runs a line of shell in a step of its own and returns how it ended and what it said. */
export async function runLine(line: string, changes: Partial<ContainerSpec> = {}) {
  const { job } = await newJob();
  await using _job = job;
  const { end, output } = await runToEnd(engine, job.spec("step", ["sh", "-c", line], changes));
  return { end, output };
}

/** A road to the engine that can be cut; with `answer` it leads nowhere. */
export async function openRoad(answer?: (socket: Socket) => void) {
  const folder = await mkdtemp(join(tmpdir(), "tatara-road-"));
  const socketPath = join(folder, "s");
  const sockets = new Set<Socket>();
  const sent: Buffer[] = [];
  const server = createServer((near) => {
    sockets.add(near);
    near.on("error", () => undefined).on("data", (chunk) => void sent.push(chunk));
    if (answer) {
      answer(near);
      return;
    }
    const far = connect(SOCKET_PATH);
    sockets.add(far);
    far.on("error", () => undefined);
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => void server.listen(socketPath, resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    socketPath,
    cut,
    sent: () => Buffer.concat(sent).toString(),
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await rm(folder, { recursive: true });
    },
  };
}

export function buildOptions(
  job: TestJob,
  context: NodeJS.ReadableStream,
  onOutput: (chunk: Buffer) => void = () => undefined,
): BuildImageOptions {
  return {
    owner: job.owner("image"),
    context,
    dockerfile: "Dockerfile",
    stage: null,
    args: {},
    secrets: [],
    isFresh: false,
    onOutput,
    timeoutMs: 240_000,
  };
}

/** An image of the test base and more lines, gone with its job at the end. */
export async function buildFrom(lines: string) {
  const { job } = await newJob();
  const dockerfile = `FROM ${BASE_IMAGE}\n${lines}LABEL test.job=${job.jobId}\n`;
  const built = await engine.buildImage(
    buildOptions(job, tarOf({ Dockerfile: dockerfile })),
    never,
  );
  if (built.kind !== "built") throw new Error(`The image was not built: ${JSON.stringify(built)}`);
  return {
    job,
    image: built.image,
    async [Symbol.asyncDispose]() {
      await job[Symbol.asyncDispose]();
      await removeImage(engine, built.image);
    },
  };
}

const TRIES_MAX = 3;

/**
 * As the server grants another attempt: a layer may go while it is made, for other tests tidy up on the
 * same engine.
 */
export async function withAnotherTry<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (err) {
      const isEngines = err instanceof InfraFault && err.code === "ENGINE_FAILED";
      if (!isEngines || tries === TRIES_MAX) throw err;
    }
  }
}
