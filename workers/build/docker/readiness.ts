import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { execIn } from "./exec.ts";
import type { ServiceSpec } from "../engine.ts";

const LOOK_EVERY_MS = 1_000;
/** A port costs nothing to try, so the step need not wait out the second. */
const PORT_EVERY_MS = 100;
const TRY_MS_MAX = 10_000;
const PORT_TRY_MS_MAX = 1_000;
const CLAIM_MS = 1_000;

/** One look at a service: undefined when it is ready, else why it is not. */
type Look = (timeoutMs: number, signal: AbortSignal) => Promise<string | undefined>;

export interface Probe {
  readonly everyMs: number;
  readonly look: Look;
}

/**
 * How readiness is told, first that applies: the `ready` command, the image's own health check, its
 * lowest port; without any of these a service is ready once it has run for a second.
 */
export async function probeOf(
  { docker }: DockerDeps,
  spec: ServiceSpec,
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<Probe> {
  if (spec.ready !== null) return commandProbe(container, ["sh", "-c", spec.ready], spec.ready);
  const image = await call(
    { doing: "inspect an image", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => docker.getImage(spec.image.id).inspect({ abortSignal } as object),
  );
  const health = healthCommand(image.Config as HealthConfig);
  if (health) return commandProbe(container, health, "its health check");
  const port = lowestPort(Object.keys(image.Config.ExposedPorts ?? {}));
  if (port !== undefined) return portProbe(container, spec, port);
  return { everyMs: CLAIM_MS, look: afterOneSecond() };
}

export interface HealthConfig {
  readonly Healthcheck?: { readonly Test?: readonly string[] };
  readonly Shell?: readonly string[] | null;
}

/** What an image's HEALTHCHECK runs; undefined without one. */
export function healthCommand({ Healthcheck, Shell }: HealthConfig): string[] | undefined {
  const [kind, ...rest] = Healthcheck?.Test ?? [];
  if (kind === "CMD" && rest.length > 0) return rest;
  if (kind === "CMD-SHELL") return [...(Shell ?? ["/bin/sh", "-c"]), ...rest];
  return undefined;
}

/** `["8080/tcp", "53/udp"]`: only TCP can be tried. */
export function lowestPort(exposed: readonly string[]): number | undefined {
  const ports = exposed.flatMap((port) => /^(\d+)\/tcp$/.exec(port)?.[1] ?? []).map(Number);
  return ports.length === 0 ? undefined : Math.min(...ports);
}

function commandProbe(container: Dockerode.Container, command: string[], name: string): Probe {
  return {
    everyMs: LOOK_EVERY_MS,
    look: async (timeoutMs, signal) => {
      const tryMs = Math.min(timeoutMs, TRY_MS_MAX);
      const { exitCode, output } = await execIn(container, command, tryMs, signal);
      if (exitCode === 0) return undefined;
      if (exitCode === null) return `${name} did not end within ${Math.ceil(tryMs / 1000)} s`;
      const said = output.trim().split("\n").at(-1);
      return `${name} exited ${exitCode}${exitCode === 127 && said ? ` (${said})` : ""}`;
    },
  };
}

/**
 * Tried from here where the engine's networks can be reached, else looked up inside: a closed network
 * has no address of the host on it, and an engine may be elsewhere.
 */
async function portProbe(
  container: Dockerode.Container,
  { network, name }: ServiceSpec,
  port: number,
): Promise<Probe> {
  const why = `port ${port} of ${name} did not accept a connection`;
  let isReachable = network.gateway !== null;
  const look: Look = async (timeoutMs, signal) => {
    const tryMs = Math.min(timeoutMs, PORT_TRY_MS_MAX);
    if (isReachable) {
      const address = await addressOf(container, network.name, signal);
      const code = address === undefined ? "ECONNREFUSED" : await tryPort(address, port, tryMs);
      if (code === undefined) return undefined;
      if (code === "ECONNREFUSED") return why;
      isReachable = false;
    }
    const { exitCode } = await execIn(container, listens(port), tryMs, signal);
    // Without a shell there is nothing to ask; a service that runs is all that can be known.
    return exitCode === 0 || exitCode === 127 || exitCode === 126 ? undefined : why;
  };
  return { everyMs: PORT_EVERY_MS, look };
}

async function addressOf(
  container: Dockerode.Container,
  network: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await call(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  return found.NetworkSettings.Networks[network]?.IPAddress || undefined;
}

/** The error code of a connection; undefined when it was accepted. */
async function tryPort(host: string, port: number, timeoutMs: number) {
  const tried = Promise.withResolvers<string | undefined>();
  const socket = connect({ host, port, signal: AbortSignal.timeout(Math.ceil(timeoutMs)) });
  socket.once("connect", () => tried.resolve(undefined));
  socket.once("error", (err) => tried.resolve("code" in err ? String(err.code) : "UNKNOWN"));
  try {
    return await tried.promise;
  } finally {
    socket.destroy();
  }
}

/** Asks the kernel's table of the container's network for a listener, with a bare shell. */
function listens(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = `while read -r _ local _ state _; do case "$local $state" in *:${hex}" 0A") exit 0;; esac; done`;
  return [
    "sh",
    "-c",
    `for table in /proc/net/tcp /proc/net/tcp6; do [ -r $table ] || continue; ${line} <$table; done; exit 1`,
  ];
}

function afterOneSecond(): Look {
  const begunAtMs = performance.now();
  return async (_timeoutMs, signal) => {
    const restMs = begunAtMs + CLAIM_MS - performance.now();
    if (restMs > 0) await sleep(restMs, undefined, { signal });
    return undefined;
  };
}
