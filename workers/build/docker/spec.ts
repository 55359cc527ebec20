import type Dockerode from "dockerode";
import type { DockerDeps } from "./client.ts";
import { GATE_SCRIPT, SECRETS_PATH } from "./gate.ts";
import { LABEL, cgroupOf, labelsOf } from "./names.ts";
import { NO_NAMES, proxyEnv } from "./network.ts";
import type { ContainerSpec, NetworkHandle, Owner, Privilege, ServiceSpec } from "../engine.ts";

export type IdleSpec = Pick<ContainerSpec, "owner" | "volumes"> & { readonly imageId: string };

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

const SERVICE_PIDS = 1_024;
/** Plenty for any build, and below the hard limit of engines that have few to give. */
const OPEN_FILES_MAX = 16_384;
/** Whoever the step's user is must be able to put them there; there is nobody else inside. */
const TMPFS_SECRETS = "rw,noexec,nosuid,nodev,size=4m,mode=1777";
const TMPFS_TMP = "rw,exec,nosuid,nodev,size=512m,mode=1777";
const LOG_FILE_MAX = "256m";

/** Has the container's init pass SIGTERM to the command too, not to the shell alone. */
const TERM_FOR_ALL = "TINI_KILL_PROCESS_GROUP=1";

/** Everything that locks a step down (D8). Nothing here comes from the pipeline file but limits. */
export function stepOptions(
  deps: DockerDeps,
  spec: ContainerSpec,
): Dockerode.ContainerCreateOptions {
  return {
    ...identity(spec.owner, spec.image.id, spec.network),
    // The image's own entry point is not used: a step runs exactly what the pipeline file says.
    Entrypoint: ["sh", "-c", GATE_SCRIPT, "step"],
    Cmd: [...spec.command],
    Env: [...assignments({ ...proxyEnv(spec.network), ...spec.env }), TERM_FOR_ALL],
    WorkingDir: spec.workingDir,
    ...(spec.user === undefined ? {} : { User: spec.user }),
    Hostname: "tatara",
    StopSignal: "SIGTERM",
    Healthcheck: { Test: ["NONE"] },
    OpenStdin: true,
    // A gate must outlive the client that opens it, or one that died before it could.
    StdinOnce: false,
    HostConfig: {
      ...hostConfig(deps, spec),
      CapAdd: [...CAPABILITIES[spec.privilege]],
      Tmpfs: {
        "/tmp": TMPFS_TMP,
        ...(spec.secrets?.length ? { [SECRETS_PATH]: TMPFS_SECRETS } : {}),
      },
      Mounts: mounts(spec.volumes),
    },
  };
}

/** A service runs what its image runs, as packaging-like programs may, and sees no file of the job. */
export function serviceOptions(
  deps: DockerDeps,
  spec: ServiceSpec,
): Dockerode.ContainerCreateOptions {
  const { owner, name, image, command, env, network, cpus, memoryBytes } = spec;
  const limits = { cpus, memoryBytes, pids: SERVICE_PIDS };
  return {
    ...identity(owner, image.id, network),
    ...(command === null ? {} : { Cmd: [...command] }),
    Env: assignments({ ...proxyEnv(network), ...env }),
    Hostname: name,
    // Its command is run by us, each second: the engine's own first look may be half a minute away.
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      ...hostConfig(deps, { owner, network, limits }),
      CapAdd: [...CAPABILITIES.package],
    },
    NetworkingConfig: { EndpointsConfig: { [network.name]: { Aliases: [name] } } },
  };
}

/** The options of a container that never runs. */
export function idleOptions(
  { cgroupParent }: DockerDeps,
  { owner, imageId, volumes }: IdleSpec,
): Dockerode.ContainerCreateOptions {
  return {
    ...identity(owner, imageId),
    Entrypoint: ["/nonexistent"],
    Cmd: [],
    HostConfig: {
      CgroupParent: cgroupOf(cgroupParent, owner.workerId),
      NetworkMode: "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Mounts: mounts(volumes),
    },
  };
}

function identity(
  owner: Owner,
  imageId: string,
  network: NetworkHandle | "none" = "none",
): Dockerode.ContainerCreateOptions {
  const egress = network === "none" ? {} : { [LABEL.egress]: network.egress };
  return { Image: imageId, Labels: { ...labelsOf(owner), ...egress } };
}

function assignments(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

type HostConfig = Dockerode.HostConfig & { readonly CgroupnsMode: "private" };

interface Confined {
  readonly owner: Owner;
  readonly network: NetworkHandle | "none";
  readonly limits: Pick<ContainerSpec["limits"], "pids" | "memoryBytes" | "cpus">;
}

/** What holds for everything that runs. */
function hostConfig(deps: DockerDeps, { owner, network, limits }: Confined): HostConfig {
  return {
    Privileged: false,
    CapDrop: ["ALL"],
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
    CgroupParent: cgroupOf(deps.cgroupParent, owner.workerId),
    LogConfig: {
      Type: "local",
      Config: { "max-size": LOG_FILE_MAX, "max-file": "2", compress: "false" },
    },
    NetworkMode: network === "none" ? "none" : network.name,
    ...(network === "none" || network.egress === "internet" ? {} : NO_NAMES),
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
