import type { Logger } from "../../../src/shared/logger.ts";
import { buildImage } from "./build.ts";
import { adoptContainer, adoptService } from "./adopt.ts";
import { hasBuildKit } from "./buildkit.ts";
import type { BuildLimits } from "./build-plan.ts";
import { call, connect, connectAnew } from "./client.ts";
import type { DockerDeps, EngineAddress } from "./client.ts";
import { createContainer } from "./container.ts";
import { findImage } from "./image.ts";
import { findLayer, keepLayer } from "./layers.ts";
import { findKept, listKept } from "./find-kept.ts";
import { listLeftovers, removeAllOf, removeLeftover } from "./leftovers.ts";
import { createNetwork, mirrorProxyOf } from "./network.ts";
import { listStoredImages } from "./stored-images.ts";
import type { ImageFacts } from "./stored-images.ts";
import { freeRoom, writtenByAttempts } from "./free-room.ts";
import { pruneBuildCache } from "./build-cache.ts";
import { startService } from "./service.ts";
import { createWorkspace } from "./workspace.ts";
import type { Engine, EngineFacts } from "../engine.ts";

const PING_DEADLINE_MS = 10_000;

export interface DockerEngineOptions {
  readonly address: EngineAddress;
  readonly logger: Logger;
  readonly now: () => number;
  /** `/name` on the cgroupfs driver, `name.slice` on systemd's. */
  readonly cgroupParent: string;
  readonly buildLimits: BuildLimits;
  readonly imageTtlMs: number;
  /** `http://NAME:PORT` of a proxy in a container of this engine, for "mirrors"; or null. */
  readonly mirrorProxy?: string | null;
  /** How long the pull of an image may take. */
  readonly pullMs?: number;
}

/** The engine on Docker. Its address, types and error messages stay behind this door. */
export function dockerEngine(options: DockerEngineOptions): Engine {
  const docker = connect(options.address);
  const deps = {
    ...options,
    mirrorProxy: options.mirrorProxy ? mirrorProxyOf(options.mirrorProxy) : null,
    docker,
    fresh: connectAnew(options.address),
    knownUsers: new Map(),
    making: new Set<Promise<unknown>>(),
    buildStarts: new Set<{ at: number }>(),
    unnamedLayers: new Map<string, string>(),
    brokenContainers: new Set<string>(),
    knownImages: new Map<string, ImageFacts>(),
    sharedBuilds: new Set<object>(),
  };

  return {
    ping: (signal) => ping(deps, signal),
    answers: (signal) => answers(deps, signal),
    buildImage: (build, signal) => buildImage(deps, build, signal),
    findLayer: (key, signal) => findLayer(deps, key, signal),
    keepLayer: (layer, signal) => keepLayer(deps, layer, signal),
    findImage: (name, signal, how) => findImage(deps, name, signal, how),
    createNetwork: (owner, how, signal) => createNetwork(deps, owner, how, signal),
    createWorkspace: (workspace, signal) => createWorkspace(deps, workspace, signal),
    createContainer: (spec, signal) => createContainer(deps, spec, signal),
    startService: (service, signal) => startService(deps, service, signal),
    adoptContainer: (spec, signal) => adoptContainer(deps, spec, signal),
    adoptService: (owner, { name }, signal) => adoptService(deps, owner, name, signal),
    findKept: (step, signal) => findKept(deps, step, signal),
    listKept: (workerId, signal) => listKept(deps, workerId, signal),
    removeAllOf: (owner, signal) => removeAllOf(deps, owner, signal),
    listLeftovers: (signal) => listLeftovers(deps, signal),
    removeLeftover: (leftover, signal) => removeLeftover(deps, leftover, signal),
    listStored: (signal) => listStoredImages(deps, signal),
    freeBytes: (signal) => freeRoom(deps, signal),
    writtenBytes: (workerId, signal) => writtenByAttempts(deps, workerId, signal),
    pruneBuildCache: (keepBytes, signal) => pruneBuildCache(deps, keepBytes, signal),
  };
}

async function answers({ fresh }: DockerDeps, signal: AbortSignal): Promise<void> {
  await call({ doing: "answer", deadlineMs: PING_DEADLINE_MS, signal }, () => fresh.ping());
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
    hasBuildKit: await hasBuildKit({ docker }, signal),
  };
}
