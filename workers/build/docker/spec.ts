import type Dockerode from "dockerode";
import type { DockerDeps } from "./client.ts";
import { cgroupOf, labelsOf } from "./names.ts";
import type { ContainerSpec, Owner, Privilege } from "../engine.ts";

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

/** Everything that locks a step down (D8). Nothing here comes from the pipeline file but limits. */
export function stepOptions(
  deps: DockerDeps,
  spec: ContainerSpec,
): Dockerode.ContainerCreateOptions {
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
