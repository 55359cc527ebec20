import { setTimeout as delay } from "node:timers/promises";
import type Dockerode from "dockerode";
import { InfraFault } from "../../../src/domain/faults.ts";
import { DEADLINE_MS, call, callOrNothing, make } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { labelsOf, nameOf } from "./names.ts";
import type { Egress, NetworkHandle, Owner } from "../engine.ts";

/** A proxy that runs in a container of this engine, by which closed networks reach mirrors. */
export interface MirrorProxy {
  readonly container: string;
  readonly url: string;
}

export interface NetworkDeps extends DockerDeps {
  readonly mirrorProxy: MirrorProxy | null;
}

/**
 * An internal bridge alone is not closed: its gateway is the host, with all that listens there. So
 * the host gets no address on it, and a service's port cannot be tried from the host either.
 */
const CLOSED = {
  Internal: true,
  Options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
} as const;

/**
 * The engine's own resolver would carry names out through the host, so on a closed network it is told
 * to ask an address that never answers. Names of the network itself it knows without asking; for all
 * others a program waits some five seconds (measured), not the usual twenty.
 */
export const NO_NAMES = { Dns: ["192.0.2.1"], DnsOptions: ["timeout:1", "attempts:1"] };

/**
 * Of the phases before a step's first line each has a bound of its own: this wait, the pull of an image
 * (ten minutes), what the engine makes (two). None of it is taken from the step's time.
 */
const FREE_NETWORK_MS = 8 * 60_000;
const FREE_NETWORK_ASK_MS = 1_000;
const NONE_FREE = /could not find an available, non-overlapping IPv4 address pool/;

export async function createNetwork(
  deps: NetworkDeps,
  owner: Owner,
  { egress, name = nameOf(owner) }: { readonly egress: Egress; readonly name?: string },
  signal: AbortSignal,
): Promise<NetworkHandle> {
  const isClosed = egress !== "internet";
  const network = await whenOneIsFree(deps, signal, () =>
    make(
      deps,
      { doing: "create a network", deadlineMs: DEADLINE_MS.heavy, signal },
      (abortSignal) =>
        deps.docker.createNetwork({
          Name: name,
          Driver: "bridge",
          Labels: labelsOf(owner),
          ...(isClosed ? CLOSED : {}),
          abortSignal,
        }),
    ),
  );
  const gateway = isClosed ? null : await gatewayOf(network, signal);
  const proxy = egress === "mirrors" ? await joinProxy(deps, network, signal) : null;
  return { id: network.id, name, gateway, egress, proxy };
}

/**
 * An engine has addresses for about thirty networks, and others use them too. One comes free whenever
 * a job ends, so this is a wait in a line and no fault; only one that lasts costs the attempt.
 */
async function whenOneIsFree<T>(
  { logger }: NetworkDeps,
  signal: AbortSignal,
  create: () => Promise<T>,
): Promise<T> {
  const endAt = performance.now() + FREE_NETWORK_MS;
  for (let tries = 1; ; tries += 1) {
    try {
      return await create();
    } catch (err) {
      const isWait = err instanceof InfraFault && NONE_FREE.test(err.message);
      if (!isWait || performance.now() > endAt) throw err;
      if (tries === 1) logger.warn({}, "The engine has no network left: waits for one");
      await delay(FREE_NETWORK_ASK_MS, undefined, { signal });
    }
  }
}

async function gatewayOf(network: Dockerode.Network, signal: AbortSignal): Promise<string | null> {
  const { IPAM: ipam } = await call(
    { doing: "inspect a network", deadlineMs: DEADLINE_MS.quick, signal },
    (): Promise<Dockerode.NetworkInspectInfo> => network.inspect(),
  );
  return ipam?.Config?.[0]?.Gateway ?? null;
}

/** The proxy becomes the only neighbour outside the job; without it the network stays closed. */
async function joinProxy(
  { mirrorProxy, logger }: NetworkDeps,
  network: Dockerode.Network,
  signal: AbortSignal,
): Promise<string | null> {
  if (mirrorProxy === null) return null;
  const Container = mirrorProxy.container;
  const joined = await callOrNothing(
    { doing: "join the mirror proxy to a network", deadlineMs: DEADLINE_MS.heavy, signal },
    async (abortSignal) => {
      const EndpointConfig = { Aliases: [Container] };
      await network.connect({ Container, EndpointConfig, abortSignal } as object);
      return true;
    },
  );
  if (joined) return mirrorProxy.url;
  logger.warn({ container: Container }, "No mirror proxy on the engine: such steps reach nothing");
  return null;
}

/** Removes a network, whoever else (the mirror proxy) is still joined to it. */
export async function removeNetwork(
  { docker }: DockerDeps,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const network = docker.getNetwork(id);
  const options = { doing: "remove a network", deadlineMs: DEADLINE_MS.heavy, signal };
  await callOrNothing(options, async (abortSignal) => {
    const found: Dockerode.NetworkInspectInfo = await network.inspect();
    for (const Container of Object.keys(found.Containers ?? {})) {
      await network.disconnect({ Container, Force: true, abortSignal });
    }
    await network.remove({ abortSignal });
  });
}

/** `http://NAME:PORT`, where NAME is a container on this engine. */
export function mirrorProxyOf(url: string): MirrorProxy {
  return { url, container: new URL(url).hostname };
}

/** What programs need to know of the proxy; they ask names of the job's own network directly. */
export function proxyEnv(network: NetworkHandle | "none"): Record<string, string> {
  if (network === "none" || network.proxy === null) return {};
  const { proxy } = network;
  const direct = "localhost,127.0.0.1";
  return {
    http_proxy: proxy,
    https_proxy: proxy,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    no_proxy: direct,
    NO_PROXY: direct,
  };
}
