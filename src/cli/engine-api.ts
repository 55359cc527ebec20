import { statfs } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { readFrames } from "./engine-frames.ts";
import { EngineError, addressOf, send, textOf } from "./engine-http.ts";
import type { Call, Fields } from "./engine-http.ts";

const CALL_TIMEOUT_MS = 30_000;
const DESCRIBE_TIMEOUT_MS = 3_000;
const GIB = 2 ** 30;

/**
 * The engine's HTTP API, as far as the command line needs it: to say how the engine is, and to run
 * the demo's dnf client. Jobs have their own door, in the build worker.
 */
export interface EngineApi {
  version(): Promise<{ readonly version: string; readonly apiVersion: string }>;
  info(): Promise<EngineInfo>;
  hasImage(name: string): Promise<boolean>;
  /** Runs a container to its end and removes it; what it prints goes to `onOutput`. */
  run(spec: ContainerSpec, onOutput: (bytes: Uint8Array) => void): Promise<number>;
  /** Names of containers, networks and volumes that carry this label. */
  labelled(label: string): Promise<readonly string[]>;
  /** The same with their labels. */
  labelledThings(label: string): Promise<readonly LabelledThing[]>;
  /** One that is already gone is fine. */
  removeThing(thing: Pick<LabelledThing, "kind" | "name">): Promise<void>;
  /** How each image with this label was made: its history, as text. */
  imageHistories(label: string): Promise<readonly ImageHistory[]>;
  /** Those that have ended; a killed command leaves one. */
  removeEnded(label: string): Promise<void>;
}

export interface LabelledThing {
  readonly kind: "container" | "network" | "volume";
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ImageHistory {
  readonly image: string;
  readonly text: string;
}

export interface EngineInfo {
  readonly cgroupVersion: string;
  readonly cgroupDriver: string;
  readonly rootDir: string;
  readonly rootless: boolean;
}

export interface ContainerSpec {
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The host's network, so that loopback addresses mean the same inside. */
  readonly hostNetwork: boolean;
}

export function engineApi(dockerHost: string, signal: AbortSignal): EngineApi {
  const address = addressOf(dockerHost);
  const open = (method: string, path: string, call: Call = {}) =>
    send({ ...address, method, path }, call, call.signal ?? signal);
  const json = async (method: string, path: string, call: Call = {}): Promise<Fields> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
    const body = await text(await open(method, path, { signal: limit, ...call }));
    return body === "" ? {} : (JSON.parse(body) as Fields);
  };
  const list = async (path: string, wanted: Fields): Promise<readonly Fields[]> => {
    const query = new URLSearchParams({ all: "1", filters: JSON.stringify(wanted) });
    const found: unknown = await json("GET", `${path}?${query.toString()}`);
    return (
      Array.isArray(found) ? found : ((found as Fields)["Volumes"] ?? [])
    ) as readonly Fields[];
  };
  const remove = (id: string): Promise<unknown> =>
    // It must go even when we were interrupted.
    json("DELETE", `/containers/${id}?force=1&v=1`, {
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });

  return {
    version: async () => {
      const { Version, ApiVersion } = await json("GET", "/version");
      return { version: String(Version), apiVersion: String(ApiVersion) };
    },
    info: async () => {
      const info = await json("GET", "/info");
      const options = Array.isArray(info["SecurityOptions"]) ? info["SecurityOptions"] : [];
      return {
        cgroupVersion: textOf(info["CgroupVersion"]) ?? "1",
        cgroupDriver: textOf(info["CgroupDriver"]) ?? "",
        rootDir: textOf(info["DockerRootDir"]) ?? "",
        rootless: options.includes("name=rootless"),
      };
    },
    hasImage: async (name) => {
      try {
        await json("GET", `/images/${name}/json`);
        return true;
      } catch (err) {
        if (err instanceof EngineError && err.status === 404) return false;
        throw err;
      }
    },
    run: async (spec, onOutput) => {
      const { Id: id } = await json("POST", "/containers/create", { json: containerBody(spec) });
      try {
        await json("POST", `/containers/${String(id)}/start`);
        const path = `/containers/${String(id)}/logs?follow=1&stdout=1&stderr=1`;
        for await (const bytes of readFrames(await open("GET", path))) onOutput(bytes);
        const { StatusCode } = await json("POST", `/containers/${String(id)}/wait`);
        return Number(StatusCode);
      } finally {
        await remove(String(id));
      }
    },
    labelled: async (label) =>
      (await labelledThings(list, label)).map(({ kind, name }) => `${kind} ${name}`),
    labelledThings: (label) => labelledThings(list, label),
    removeThing: async ({ kind, name }) => {
      await json("DELETE", `/${kind}s/${name.replace(/^\//, "")}?force=1&v=1`).catch(
        (err: unknown) => {
          if (!(err instanceof EngineError && err.status === 404)) throw err;
        },
      );
    },
    imageHistories: async (label) => {
      const images = await list("/images/json", { label: [label] });
      return await Promise.all(
        images.map(async ({ Id }) => {
          // One that is removed meanwhile has no history any more.
          const history = await json("GET", `/images/${String(Id)}/history`).catch(() => ({}));
          return { image: String(Id), text: JSON.stringify(history) };
        }),
      );
    },
    removeEnded: async (label) => {
      const wanted = { label: [label], status: ["exited", "dead"] };
      const found = await list("/containers/json", wanted);
      await Promise.all(found.map(({ Id }) => remove(String(Id))));
    },
  };
}

async function labelledThings(
  list: (path: string, wanted: Fields) => Promise<readonly Fields[]>,
  label: string,
): Promise<readonly LabelledThing[]> {
  const wanted = { label: [label] };
  const [containers, networks, volumes] = await Promise.all([
    list("/containers/json", wanted),
    list("/networks", wanted),
    list("/volumes", wanted),
  ]);
  const thing = (kind: LabelledThing["kind"], name: unknown, { Labels }: Fields) => {
    const labels = (Labels ?? {}) as Readonly<Record<string, string>>;
    return { kind, name: String(name), labels };
  };
  return [
    ...containers.map((one) => thing("container", one["Names"], one)),
    ...networks.map((one) => thing("network", one["Name"], one)),
    ...volumes.map((one) => thing("volume", one["Name"], one)),
  ];
}

/** One line about the engine, within a few seconds. */
export async function describeEngine(
  dockerHost: string,
  signal: AbortSignal,
): Promise<{ kind: "up"; description: string } | { kind: "down"; reason: string }> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DESCRIBE_TIMEOUT_MS)]);
  try {
    const engine = engineApi(dockerHost, limit);
    const [{ version }, info] = await Promise.all([engine.version(), engine.info()]);
    const free = await freeGib(info.rootDir);
    const disk = free === undefined ? "" : `, ${free} GB free`;
    return { kind: "up", description: `${version}, cgroup v${info.cgroupVersion}${disk}` };
  } catch (err) {
    signal.throwIfAborted();
    return { kind: "down", reason: err instanceof Error ? err.message : String(err) };
  }
}

/** Undefined where the folder is not of this machine, or not ours to look at. */
export async function freeGib(path: string): Promise<number | undefined> {
  return statfs(path).then(
    ({ bavail, bsize }) => Math.floor((bavail * bsize) / GIB),
    () => undefined,
  );
}

function containerBody({ image, command, labels, hostNetwork }: ContainerSpec): object {
  return {
    Image: image,
    Cmd: command,
    Labels: labels,
    HostConfig: hostNetwork ? { NetworkMode: "host" } : {},
  };
}
