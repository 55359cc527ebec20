import { Readable } from "node:stream";
import type Dockerode from "dockerode";
import { InfraFault } from "../../src/domain/faults.ts";
import type { ContainerEnd } from "../../src/domain/step.ts";
import { DEADLINE_MS, call, callOrNothing, engineFault, engineMessage, sending, statusOf } from "./docker-client.ts";
import type { DockerDeps } from "./docker-client.ts";
import { LABEL, cgroupOf, labelsOf, nameOf } from "./docker-names.ts";
import type { OnOutput } from "./docker-output.ts";
import { DockerRun } from "./docker-run.ts";
import type { Container, ContainerSpec, Owner, Privilege } from "./engine.ts";

/** Docker's default set without NET_RAW and MKNOD; tests get the part that package managers need. */
const TEST_CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "SETUID",
  "SETGID",
  "KILL",
  "NET_BIND_SERVICE",
] as const;
const CAPABILITIES: Record<Privilege, readonly string[]> = {
  test: TEST_CAPABILITIES,
  package: [...TEST_CAPABILITIES, "FSETID", "SETPCAP", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP"],
};

/** Plenty for any build, and below the hard limit of engines that have few to give. */
const OPEN_FILES_MAX = 16_384;
const TMPFS_TMP = "rw,exec,nosuid,nodev,size=512m,mode=1777";
const LOG_FILE_MAX = "256m";

/**
 * What runs the command, once it reads a line. Merging in the shell keeps stdout and stderr in order:
 * the engine has two pipes. The command must not inherit stdin, which stays open for the gate. After
 * a failure the shell lingers: an engine that sees the exit too soon forgets in one case of forty
 * that memory ran out. It must wait for what the command makes of a SIGTERM, hence the trap.
 */
const GATE_SCRIPT =
  "read -r go || exit; unset TINI_KILL_PROCESS_GROUP; trap : TERM; " +
  '"$@" </dev/null 2>&1; code=$?; [ $code -eq 0 ] || sleep 0.1 2>/dev/null; exit $code';
/** Has the container's init pass SIGTERM to the command too, not to the shell alone. */
const TERM_FOR_ALL = "TINI_KILL_PROCESS_GROUP=1";

export async function createContainer(
  deps: DockerDeps,
  spec: ContainerSpec,
  signal: AbortSignal,
): Promise<Container> {
  const created = await createReplacing(deps, stepOptions(deps, spec), spec.owner, signal);
  return new DockerContainer(deps, created, spec);
}

/** A container that never runs: through it archives reach volumes, and files of an image are read. */
export async function createIdleContainer(
  deps: DockerDeps,
  spec: Pick<ContainerSpec, "owner" | "volumes"> & { readonly imageId: string },
  signal: AbortSignal,
): Promise<Dockerode.Container> {
  const options: Dockerode.ContainerCreateOptions = {
    ...identity(spec.owner, spec.imageId),
    Entrypoint: ["/nonexistent"],
    Cmd: [],
    HostConfig: {
      CgroupParent: cgroupOf(deps.cgroupParent, spec.owner.workerId),
      NetworkMode: "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Mounts: mounts(spec.volumes),
    },
  };
  return createReplacing(deps, options, spec.owner, signal);
}

function stepOptions(deps: DockerDeps, spec: ContainerSpec): Dockerode.ContainerCreateOptions {
  return {
    ...identity(spec.owner, spec.image.id),
    // The image's own entry point is not used: a step runs exactly what the pipeline file says.
    Entrypoint: ["sh", "-c", GATE_SCRIPT, "step"],
    Cmd: [...spec.command],
    Env: [...Object.entries(spec.env).map(([name, value]) => `${name}=${value}`), TERM_FOR_ALL],
    WorkingDir: spec.workingDir,
    ...(spec.user === undefined ? {} : { User: spec.user }),
    Hostname: "tatara",
    StopSignal: "SIGTERM",
    Healthcheck: { Test: ["NONE"] },
    OpenStdin: true,
    // A gate must outlive the client that opens it, or one that died before it could.
    StdinOnce: false,
    HostConfig: hostConfig(deps, spec),
  };
}

function identity(owner: Owner, imageId: string): Dockerode.ContainerCreateOptions {
  return { Image: imageId, Labels: labelsOf(owner) };
}

type HostConfig = Dockerode.HostConfig & { readonly CgroupnsMode: "private" };

function hostConfig(deps: DockerDeps, spec: ContainerSpec): HostConfig {
  const { limits, network } = spec;
  return {
    Privileged: false,
    CapDrop: ["ALL"],
    CapAdd: [...CAPABILITIES[spec.privilege]],
    SecurityOpt: ["no-new-privileges"],
    Init: true,
    PidsLimit: limits.pids,
    Memory: limits.memoryBytes,
    MemorySwap: limits.memoryBytes,
    NanoCpus: Math.round(limits.cpus * 1e9),
    Ulimits: [
      { Name: "nofile", Soft: OPEN_FILES_MAX, Hard: OPEN_FILES_MAX },
      { Name: "core", Soft: 0, Hard: 0 },
    ],
    IpcMode: "private",
    CgroupnsMode: "private",
    OomScoreAdj: 500,
    CgroupParent: cgroupOf(deps.cgroupParent, spec.owner.workerId),
    Tmpfs: { "/tmp": TMPFS_TMP },
    LogConfig: {
      Type: "local",
      Config: { "max-size": LOG_FILE_MAX, "max-file": "2", compress: "false" },
    },
    NetworkMode: network === "none" ? "none" : network.id,
    Mounts: mounts(spec.volumes),
    RestartPolicy: { Name: "no" },
  };
}

function mounts(volumes: Readonly<Record<string, string>>): Dockerode.MountConfig {
  return Object.entries(volumes).map(([name, target]) => ({
    Type: "volume" as const,
    Source: name,
    Target: target,
    // Without this an empty volume would be filled with whatever the image has at that path.
    VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: "", Options: {} } },
  }));
}

/**
 * Names come from job, attempt and step, so a container of that name is what an earlier life of this
 * attempt left: it is replaced, and the step starts over.
 */
async function createReplacing(
  deps: DockerDeps,
  options: Dockerode.ContainerCreateOptions,
  owner: Owner,
  signal: AbortSignal,
): Promise<Dockerode.Container> {
  const name = nameOf(owner);
  const create = () =>
    call(
      { doing: "create a container", deadlineMs: DEADLINE_MS.heavy, signal },
      // Without the split the library repeats the whole body, secrets included, in the URL.
      (abortSignal) =>
        deps.docker.createContainer({ _query: { name }, _body: options, abortSignal } as object),
    );
  try {
    return await create();
  } catch (err) {
    if (!(err instanceof InfraFault) || statusOf(err.cause) !== 409) throw err;
    const old = deps.docker.getContainer(name);
    if (!(await isOf(old, owner, signal))) throw err;
    await removeContainer(old, signal);
    return create();
  }
}

async function isOf(
  container: Dockerode.Container,
  owner: Owner,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  const labels = found?.Config.Labels ?? {};
  return !found || (labels[LABEL.job] === owner.jobId && labels[LABEL.step] === owner.step);
}

/** Kills what runs, and takes volumes along that the image's own `VOLUME` lines made. */
export async function removeContainer(
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<void> {
  await call({ doing: "remove a container", deadlineMs: DEADLINE_MS.heavy, signal }, async (abortSignal) => {
    try {
      await container.remove({ force: true, v: true, abortSignal });
    } catch (err) {
      if (!isBeingRemoved(err)) throw err;
    }
  });
}

function isBeingRemoved(err: unknown): boolean {
  if (statusOf(err) === 404) return true;
  return statusOf(err) === 409 && /already in progress/.test(engineMessage(err));
}

class DockerContainer implements Container {
  readonly id: string;
  readonly #deps: DockerDeps;
  readonly #container: Dockerode.Container;
  readonly #run: DockerRun;

  constructor(deps: DockerDeps, container: Dockerode.Container, spec: ContainerSpec) {
    this.id = container.id;
    this.#deps = deps;
    this.#container = container;
    this.#run = new DockerRun(deps, container, spec);
  }

  async putArchive(tar: NodeJS.ReadableStream, path: string, signal: AbortSignal): Promise<void> {
    await putArchive(this.#container, tar, path, signal);
  }

  async start(
    onOutput: OnOutput,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#run.start(onOutput, signal);
  }

  async openGate(signal: AbortSignal): Promise<void> {
    await this.#run.openGate(signal);
  }

  async wait(signal: AbortSignal): Promise<ContainerEnd> {
    return this.#run.wait(signal);
  }

  async getArchive(path: string, signal: AbortSignal): Promise<NodeJS.ReadableStream | undefined> {
    return getArchive(this.#container, path, signal);
  }

  async remove(signal: AbortSignal): Promise<void> {
    this.#run.close();
    await removeContainer(this.#container, signal);
  }
}

export async function putArchive(
  container: Dockerode.Container,
  tar: NodeJS.ReadableStream,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await sending(tar, () =>
    call(
      { doing: "put files into a container", deadlineMs: DEADLINE_MS.transfer, signal },
      (abortSignal) => container.putArchive(tar, { path, abortSignal }),
    ),
  );
}

export async function getArchive(
  container: Dockerode.Container,
  path: string,
  signal: AbortSignal,
): Promise<NodeJS.ReadableStream | undefined> {
  return call(
    { doing: "get files from a container", deadlineMs: DEADLINE_MS.transfer, signal },
    async (abortSignal) => {
      try {
        return whole(await container.getArchive({ path, abortSignal }));
      } catch (err) {
        if (statusOf(err) === 404 && /could not find the file/i.test(engineMessage(err))) {
          return undefined;
        }
        throw err;
      }
    },
  );
}

/** The stream, with what breaks it on the way told as the engine's fault. */
function whole(archive: NodeJS.ReadableStream): Readable {
  return Readable.from(
    (async function* () {
      try {
        yield* archive;
      } catch (err) {
        throw engineFault(err, "get files from a container");
      }
    })(),
    { objectMode: false },
  );
}
