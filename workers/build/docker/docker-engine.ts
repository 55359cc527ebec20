import type { Logger } from "../../../src/shared/logger.ts";
import { buildImage } from "./build.ts";
import type { BuildLimits } from "./build.ts";
import { DEADLINE_MS, call, connect, make } from "./client.ts";
import type { DockerDeps, EngineAddress } from "./client.ts";
import { createContainer } from "./container.ts";
import { findImage } from "./image.ts";
import { listLeftovers, removeAllOf, removeLeftover } from "./leftovers.ts";
import { labelsOf, nameOf } from "./names.ts";
import { createWorkspace } from "./workspace.ts";
import type { Engine, EngineFacts, NetworkHandle, Owner } from "../engine.ts";

const PING_DEADLINE_MS = 10_000;

export interface DockerEngineOptions {
  readonly address: EngineAddress;
  readonly logger: Logger;
  readonly now: () => number;
  /** `/name` on the cgroupfs driver, `name.slice` on systemd's. */
  readonly cgroupParent: string;
  readonly buildLimits: BuildLimits;
  readonly imageTtlMs: number;
}

/** The engine on Docker. Its address, types and error messages stay behind this door. */
export function dockerEngine(options: DockerEngineOptions): Engine {
  const docker = connect(options.address);
  const deps = {
    ...options,
    docker,
    knownUsers: new Map(),
    making: new Set<Promise<unknown>>(),
    buildStarts: new Set<{ at: number }>(),
  };

  return {
    ping: (signal) => ping(deps, signal),
    buildImage: (build, signal) => buildImage(deps, build, signal),
    findImage: (name, signal) => findImage(deps, name, signal),
    createNetwork: (owner, signal) => createNetwork(deps, owner, signal),
    createWorkspace: (workspace, signal) => createWorkspace(deps, workspace, signal),
    createContainer: (spec, signal) => createContainer(deps, spec, signal),
    removeAllOf: (owner, signal) => removeAllOf(deps, owner, signal),
    listLeftovers: (signal) => listLeftovers(deps, signal),
    removeLeftover: (leftover, signal) => removeLeftover(deps, leftover, signal),
  };
}

async function ping({ docker }: DockerDeps, signal: AbortSignal): Promise<EngineFacts> {
  const options = { doing: "describe itself", deadlineMs: PING_DEADLINE_MS, signal };
  const info = (await call(options, () => docker.info())) as {
    readonly ServerVersion: string;
    readonly CgroupVersion?: string;
    readonly NCPU: number;
    readonly MemTotal: number;
  };
  return {
    version: info.ServerVersion,
    cgroupVersion: info.CgroupVersion ?? "1",
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
  };
}

async function createNetwork(
  deps: DockerDeps,
  owner: Owner,
  signal: AbortSignal,
): Promise<NetworkHandle> {
  const options = { doing: "create a network", deadlineMs: DEADLINE_MS.heavy, signal };
  const Name = nameOf(owner);
  const network = await make(deps, options, (abortSignal) =>
    deps.docker.createNetwork({ Name, Driver: "bridge", Labels: labelsOf(owner), abortSignal }),
  );
  return { id: network.id, name: Name };
}
