import type { EngineAddress } from "./docker/client.ts";

const PLAIN_PORT = 2375;

/** `unix:///var/run/docker.sock`, or `tcp://host:2375`. */
export function engineAddress(dockerHost: string): EngineAddress {
  const socket = /^unix:\/\/(\/.+)$/.exec(dockerHost)?.[1];
  if (socket !== undefined) return { socketPath: socket };
  const tcp = /^(?:tcp|http):\/\/([^/:]+|\[[0-9a-f:]+\])(?::(\d+))?\/?$/.exec(dockerHost);
  if (!tcp?.[1])
    throw new Error(`DOCKER_HOST=${dockerHost}: unix:///path or tcp://host:port is expected`);
  return { host: tcp[1], port: Number(tcp[2] ?? PLAIN_PORT) };
}
