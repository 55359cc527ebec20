import type { ContainerEnd } from "../../src/domain/step.ts";
import type { Stored } from "./stored.ts";

/**
 * All that a job needs from whatever runs containers. The life of a step:
 * 1. `createContainer` makes it (labelled, locked down), nothing runs yet;
 * 2. `putArchive` may fill it; `start` attaches first, so that no byte of its output is lost;
 * 3. `wait` says how it ended, after the last byte of output was handed over;
 * 4. `getArchive` takes results out; `remove` ends it. Removing twice is fine.
 *
 * Failures of the engine are `InfraFault`s, an image that does not exist is a `UserFault`.
 */
export interface Engine {
  /** Throws `InfraFault` "ENGINE_UNAVAILABLE" when the engine does not answer in time. */
  ping(signal: AbortSignal): Promise<EngineFacts>;
  /** Throws like `ping`, and costs a millisecond: it is asked before each claim. */
  answers(signal: AbortSignal): Promise<void>;
  /** A `RUN` line that fails is returned; a Dockerfile that cannot be read is a `UserFault`. */
  buildImage(options: BuildImageOptions, signal: AbortSignal): Promise<ImageBuild>;
  /** Finds a named image, pulling it when it is missing. */
  findImage(
    name: string,
    signal: AbortSignal,
    options?: { readonly pull: "missing" | "always" | "never" },
  ): Promise<Image>;
  /** The image that `keepLayer` made under this key, unless it has expired. */
  findLayer(key: string, signal: AbortSignal): Promise<Image | undefined>;
  /** Keeps an ended container's files as an image, until nobody has used it for some days. */
  keepLayer(
    layer: { readonly container: Pick<Container, "id">; readonly key: string },
    signal: AbortSignal,
  ): Promise<Image>;
  createNetwork(
    owner: Owner,
    options: { readonly egress: Egress },
    signal: AbortSignal,
  ): Promise<NetworkHandle>;
  /** Fills a new volume with a tar stream (the commit's tree, owned by `user` of the image). */
  createWorkspace(options: CreateWorkspaceOptions, signal: AbortSignal): Promise<WorkspaceHandle>;
  createContainer(spec: ContainerSpec, signal: AbortSignal): Promise<Container>;
  /** Starts a service and waits until it is ready; not ready is returned, not thrown. */
  startService(spec: ServiceSpec, signal: AbortSignal): Promise<ServiceStart>;
  /** Undefined: it is gone, or was never started. */
  adoptContainer(spec: AdoptSpec, signal: AbortSignal): Promise<AdoptedContainer | undefined>;
  adoptService(
    owner: Owner,
    service: { readonly name: string },
    signal: AbortSignal,
  ): Promise<AdoptedService | undefined>;
  /** Finds the container that was kept for a shell, if it still exists. */
  findKept(step: Omit<Owner, "workerId">, signal: AbortSignal): Promise<KeptContainer | undefined>;
  /** What a worker has kept for shells, oldest first, as far as nothing removed it yet. */
  listKept(workerId: string, signal: AbortSignal): Promise<readonly KeptUntil[]>;
  /** Removes containers, networks and volumes of one attempt. Safe twice, and for one that never started anything. */
  removeAllOf(owner: Pick<Owner, "jobId" | "attempt">, signal: AbortSignal): Promise<void>;
  /** Everything on the engine that carries our labels or our cgroup parent, whoever left it. */
  listLeftovers(signal: AbortSignal): Promise<readonly Leftover[]>;
  removeLeftover(leftover: Leftover, signal: AbortSignal): Promise<void>;
  /** Images that builds left as caches, but for those that a container has. */
  listStored(signal: AbortSignal): Promise<readonly Stored[]>;
  /** Free bytes where the engine keeps its data; undefined: this worker cannot see that disk. */
  freeBytes(signal: AbortSignal): Promise<number | undefined>;
  /** What each running attempt of a worker has written so far, by `<job>-<attempt>`. */
  writtenBytes(workerId: string, signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** Shrinks the image builder's own cache, whoever filled it. */
  pruneBuildCache(keepBytes: number, signal: AbortSignal): Promise<void>;
}

export interface EngineFacts {
  readonly version: string;
  readonly cgroupVersion: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Images are built with BuildKit: cache mounts and secret mounts work. */
  readonly hasBuildKit: boolean;
}

/** What a network lets out: everything, the operator's mirrors by proxy, or nothing. */
export type Egress = "internet" | "mirrors" | "none";

/** Who an object on the engine belongs to; becomes its labels and its name. */
export interface Owner {
  readonly workerId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly step: string;
}

export interface BuildImageOptions {
  readonly owner: Owner;
  /** A tar stream of the build context, `.dockerignore` already applied. */
  readonly context: NodeJS.ReadableStream;
  /** Path of the Dockerfile inside the context. */
  readonly dockerfile: string;
  /** Stop at this stage; null: the last. */
  readonly stage: string | null;
  readonly args: Readonly<Record<string, string>>;
  /** For `RUN --mount=type=secret,id=NAME`; refused as a user fault where there is no BuildKit. */
  readonly secrets: readonly SecretFile[];
  /** Reuses no layer and no cache mount. */
  readonly isFresh: boolean;
  /** Of a stranger's code: shares neither layers nor cache mounts with anybody's build. */
  readonly isUntrusted?: boolean;
  /**
   * What its `RUN` lines reach; undefined: as anything on the engine. BuildKit knows no networks but
   * its own, so with it a closed one lets out nothing at all, not even to the mirrors.
   */
  readonly network?: NetworkHandle | "none";
  readonly onOutput: (chunk: Buffer) => void;
  readonly timeoutMs: number;
  /**
   * The newest image under one name (repo and trust class) is kept: its layers are the next build's
   * cache. Without a name the image is removed once its time to live is over.
   */
  readonly cacheName?: string;
}

export interface SecretFile {
  readonly name: string;
  readonly value: string;
  /** Also the variable NAME of the command itself; never part of what the engine shows. */
  readonly isEnv?: boolean;
}

export type ImageBuild =
  | {
      readonly kind: "built";
      readonly image: Image;
      /** How many of its instructions were answered from earlier builds; null: not known. */
      readonly layers: { readonly reused: number; readonly total: number } | null;
    }
  | {
      readonly kind: "failed";
      /** The engine's own message, one line. */
      readonly message: string;
      readonly exitCode: number | null;
      /** The instruction that failed, as the engine announced it, e.g. `RUN make deps`. */
      readonly instruction: string | null;
    }
  | { readonly kind: "over-time" };

export interface Image {
  readonly id: string;
  /** `User` of the image's configuration; empty means root. */
  readonly user: string;
  readonly env: readonly string[];
  /** `WORKDIR`; "/" where it has none. */
  readonly workingDir: string;
  /** Content digest for cache keys: changes exactly when the image does. */
  readonly digest: string;
}

export interface NetworkHandle {
  readonly id: string;
  readonly name: string;
  /** Address of the engine's host on it; null: unknown, or it has none there. */
  readonly gateway: string | null;
  readonly egress: Egress;
  /** With "mirrors": the operator's proxy; null: there is none, so nothing gets out. */
  readonly proxy: string | null;
}

export interface CreateWorkspaceOptions {
  readonly owner: Owner;
  readonly image: Image;
  /** Opens a tar stream of the commit's tree for files owned by these ids. */
  readonly tree: (owner: { uid: number; gid: number }) => NodeJS.ReadableStream;
  /** Names of the steps that will each see a copy-on-write view of their own. */
  readonly steps: readonly string[];
}

export interface WorkspaceHandle {
  /** Volume to mount at /workspace for this step. */
  volumeFor(step: string): string;
  /**
   * A tar of what a step changed, in one folder, for the price of those files alone. Not there, or
   * undefined: the engine cannot tell it from the rest.
   */
  changesOf?(step: string, signal: AbortSignal): Promise<NodeJS.ReadableStream | undefined>;
  /** Who owns the files: the image's own user, looked up in the image's passwd file. */
  readonly uid: number;
  readonly gid: number;
  /** That user's home folder in the image. */
  readonly home: string;
}

/** What a container may do: tests keep seven capabilities, `package` has Docker's set without two. */
export type Privilege = "test" | "package";

export interface ContainerSpec {
  readonly owner: Owner;
  readonly image: Image;
  /** Argument list; never passed through a shell of ours. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** `uid:gid` or a name; undefined: the image's own user. */
  readonly user?: string;
  /** Readable by the step's user at /run/secrets/NAME, in memory only. */
  readonly secrets?: readonly SecretFile[];
  /** Volume name → mount point. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly network: NetworkHandle | "none";
  readonly privilege: Privilege;
  readonly limits: ContainerLimits;
  /**
   * With a gate the container starts at once but runs its command only after `openGate`, so that
   * the cost of starting is paid while something else is still being done.
   */
  readonly gate: boolean;
}

export interface ContainerLimits {
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly pids: number;
  /** What the step may write into its own layer and workspace; 0: no limit. */
  readonly diskBytes: number;
  /** Whole run from the moment the command starts: then SIGTERM, 10 s, SIGKILL. */
  readonly timeoutMs: number;
  /** Longest time without output. */
  readonly idleTimeoutMs: number;
}

export interface Container {
  readonly id: string;
  putArchive(tar: NodeJS.ReadableStream, path: string, signal: AbortSignal): Promise<void>;
  /** Attaches, then starts. Output arrives in order; a slow `onOutput` promise holds it back. */
  start(onOutput: OnOutput, signal: AbortSignal): Promise<void>;
  /** Lets a gated container run its command. */
  openGate(signal: AbortSignal): Promise<void>;
  /**
   * The command's exit code as soon as it has ended, told from inside while the container is still
   * taken apart and its last output may be on its way; null: its end came without a word. Never
   * rejects, and only `wait`, which must be called too, is sure.
   */
  commandExit(): Promise<number | null>;
  /**
   * How it ended, once all output was handed over. When `signal` is aborted it stops the container
   * politely (SIGTERM, 10 s, SIGKILL) and then throws the signal's reason.
   */
  wait(signal: AbortSignal): Promise<ContainerEnd>;
  /** A tar stream of a path in the container; undefined when there is no such path. */
  getArchive(path: string, signal: AbortSignal): Promise<NodeJS.ReadableStream | undefined>;
  /** Most memory it ever had, once it has ended; null where the engine cannot tell. */
  memoryPeakBytes(): number | null;
  /** Leaves it stopped, to be entered by `tatara shell` until then; its volumes stay with it. */
  keepUntil(at: number, signal: AbortSignal): Promise<void>;
  remove(signal: AbortSignal): Promise<void>;
}

/** Takes output as it comes; while its promise is pending, nothing more does. */
export type OnOutput = (chunk: Buffer, place: OutputPlace) => void | Promise<void>;

/** Where a chunk stands in what a container has printed. */
export interface OutputPlace {
  readonly container: string;
  readonly stream: "stdout" | "stderr";
  /** Bytes of each stream that were taken by now, this chunk included. */
  readonly stdout: number;
  readonly stderr: number;
}

/** What was taken of a container's output before this worker was restarted. */
export interface OutputStart {
  readonly stdout: number;
  readonly stderr: number;
  /** The first bytes of stdout, by which one knows whether the engine still has them. */
  readonly head: { readonly bytes: number; readonly sha256: string };
}

export interface AdoptSpec {
  readonly owner: Owner;
  readonly containerId: string;
  readonly limits: ContainerLimits;
  /** When its gate was opened: its limits count from there. */
  readonly openedAt: number;
}

/** A container whose gate an earlier life of this worker opened. It may have ended meanwhile. */
export interface AdoptedContainer extends Omit<Container, "start" | "openGate" | "putArchive"> {
  /** Ids of what it stands on: its volumes, those below them, its networks. */
  readonly uses: readonly string[];
  /** Hands over what it has printed from there on, and everything that follows. */
  follow(onOutput: OnOutput, from: OutputStart | undefined, signal: AbortSignal): Promise<void>;
}

/** A service that an earlier life of this worker started. */
export interface AdoptedService extends RunningService {
  readonly id: string;
  follow(onOutput: OnOutput, from: OutputStart | undefined, signal: AbortSignal): Promise<void>;
}

/** A container beside a step, with an image's own command, reached by its name. */
export interface ServiceSpec {
  readonly owner: Owner;
  /** Host name on the step's network. */
  readonly name: string;
  readonly image: Image;
  /** Arguments, no shell; null: the image's own. */
  readonly command: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  /** Run in the service's container each second until it exits 0; null: see `pipeline-file.md` 8. */
  readonly ready: string | null;
  readonly readyTimeoutMs: number;
  readonly network: NetworkHandle;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly onOutput: OnOutput;
}

export type ServiceStart =
  | { readonly kind: "ready"; readonly service: RunningService }
  | {
      readonly kind: "not-ready";
      /** `pg_isready -U postgres exited 2`, `it ended with exit code 1`. */
      readonly why: string;
      readonly lastLines: string;
    };

export interface RunningService {
  readonly name: string;
  /** Stops and removes it, after the last byte of its output was handed over. */
  stop(signal: AbortSignal): Promise<void>;
}

/** A failed step's container, stopped, with everything as the step left it. */
export interface KeptUntil {
  readonly until: number;
  remove(signal: AbortSignal): Promise<void>;
}

export interface KeptContainer {
  readonly id: string;
  readonly until: number;
  /**
   * A shell on a terminal, in a container with the same files, environment and limits. With a command
   * it runs that instead, without a prompt, and its output comes as it was printed.
   */
  openShell(
    wish: { readonly columns: number; readonly rows: number; readonly command?: string },
    signal: AbortSignal,
  ): Promise<ShellSession>;
}

export interface ShellSession {
  readonly output: NodeJS.ReadableStream;
  readonly input: NodeJS.WritableStream;
  resize(size: { readonly columns: number; readonly rows: number }): Promise<void>;
  /** Exit code of the shell. */
  ended(): Promise<number>;
  close(): Promise<void>;
}

/** Something of ours on the engine: by label, or (build containers) by cgroup parent alone. */
export interface Leftover {
  readonly kind: "container" | "network" | "volume" | "image";
  readonly id: string;
  readonly workerId: string | undefined;
  readonly jobId: string | undefined;
  readonly attempt: number | undefined;
  readonly createdAt: number;
  /** It says itself that its time was over long ago: nobody needs it, whose ever it is. */
  readonly isOver?: boolean;
}
