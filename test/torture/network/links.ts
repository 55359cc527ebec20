import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import type { ProcessSpec, ProcessTable } from "../../../src/cli/processes/process-table.ts";
import { startRedis } from "../../support/a-redis.ts";
import type { ForgeDouble } from "../../support/forge-double.ts";
import { aFreePort } from "../../support/free-port.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import type { FaultProxy, Place } from "./fault-proxy.ts";

/** Every way that two parts of Tatara speak to each other, or to the world. */
export const LINKS = [
  "build-server",
  "publish-server",
  "report-server",
  "server-redis",
  "worker-redis",
  "build-docker",
  "git-forge",
  "report-forge",
] as const;
export type LinkName = (typeof LINKS)[number];

const DOCKER: Place = { path: "/var/run/docker.sock" };

/** A Tatara whose every link leads through a fault proxy of its own. */
export interface Links extends AsyncDisposable {
  readonly proxies: Readonly<Record<LinkName, FaultProxy>>;
  readonly processes: ProcessTable;
  /** Settings that lead the rest through the proxies. */
  env(forge: ForgeDouble): Readonly<Record<string, string>>;
}

export async function openLinks(random: () => number): Promise<Links> {
  await using undo = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "tatara-links-"));
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const redis = undo.use(await startRedis());
  const redisPlace = { path: redis.url.slice("unix://".length) };
  const serverPlace = { port: await aFreePort() };
  let forgePlace: Place = serverPlace;

  const atPort = async (to: () => Place) => undo.use(await startFaultProxy({ to, random }));
  const atPath = async (name: string, to: () => Place) => {
    const listen = { path: join(dir, `${name}.sock`) };
    return undo.use(await startFaultProxy({ listen, to, random }));
  };
  const proxies = {
    "build-server": await atPort(() => serverPlace),
    "publish-server": await atPort(() => serverPlace),
    "report-server": await atPort(() => serverPlace),
    "server-redis": await atPath("server-redis", () => redisPlace),
    "worker-redis": await atPath("worker-redis", () => redisPlace),
    "build-docker": await atPath("docker", () => DOCKER),
    "git-forge": await atPort(() => forgePlace),
    "report-forge": await atPort(() => forgePlace),
  } as const satisfies Record<LinkName, FaultProxy>;
  const processes = await behind(dir, proxies);

  const owned = undo.move();
  return {
    proxies,
    processes,
    env: (forge) => {
      forgePlace = { port: Number(new URL(forge.url).port) };
      const gitUrl = urlOf(proxies["git-forge"]);
      return {
        TATARA_PORT: String(serverPlace.port),
        TATARA_REDIS_URL: redis.url,
        DOCKER_HOST: `unix://${pathOf(proxies["build-docker"])}`,
        TATARA_GITHUB_URL: gitUrl,
        TATARA_HTTP_FORGES: gitUrl,
        TATARA_GITHUB_API_URL: urlOf(proxies["report-forge"]) + new URL(forge.apiUrl).pathname,
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The supervisor says where server and Redis are; programs of our own set other addresses first. */
async function behind(
  dir: string,
  proxies: Readonly<Record<LinkName, FaultProxy>>,
): Promise<ProcessTable> {
  const redisOf = (proxy: FaultProxy) => ({ TATARA_REDIS_URL: `unix://${pathOf(proxy)}` });
  const wrap = async <S extends ProcessSpec>(spec: S, env: Record<string, string>): Promise<S> => {
    const script = join(dir, `${spec.name}.ts`);
    const main = pathToFileURL(spec.script).href;
    const lines = [
      `Object.assign(process.env, ${JSON.stringify(env)});`,
      `await import(${JSON.stringify(main)});`,
    ];
    await writeFile(script, `${lines.join("\n")}\n`);
    return { ...spec, script };
  };
  const server = await wrap(PROCESSES.server, redisOf(proxies["server-redis"]));
  const workers = await Promise.all(
    PROCESSES.workers.map((spec) => {
      const TATARA_SERVER_URL = urlOf(proxies[`${spec.name}-server`]);
      return wrap(spec, { TATARA_SERVER_URL, ...redisOf(proxies["worker-redis"]) });
    }),
  );
  return { server, workers };
}

function urlOf({ place }: FaultProxy): string {
  if (!("port" in place)) throw new Error("This proxy has no port.");
  return `http://127.0.0.1:${place.port}`;
}

function pathOf({ place }: FaultProxy): string {
  if (!("path" in place)) throw new Error("This proxy is no socket.");
  return place.path;
}
