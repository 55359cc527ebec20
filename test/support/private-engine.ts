import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Dockerode from "dockerode";
import { isAlive } from "../../src/cli/processes/is-alive.ts";
import { runToItsEnd } from "./run-to-its-end.ts";

const START_MS = 240_000;
const TRIES_MAX = 4;
const GONE_MS = 30_000;
const LOOK_EVERY_MS = 25;
const CONTAINERD_PID = "exec/containerd/containerd.pid";
const HOST_SOCKET = "unix:///var/run/docker.sock";

export interface PrivateEngineOptions {
  /** Its containers outlive it, and are found again. */
  readonly liveRestore?: boolean;
  /** Its disk: a file system of its own of this size in memory. Unset: a folder of this machine. */
  readonly diskMib?: number;
  /** It has addresses for one network beside its own bridge. */
  readonly hasOneNetwork?: boolean;
}

/**
 * A Docker engine for one test alone, which may be killed: in a network namespace of its own, or its
 * start would take the bridge of the machine's engine away.
 */
export interface PrivateEngine extends AsyncDisposable {
  /** For DOCKER_HOST. */
  readonly host: string;
  readonly socketPath: string;
  readonly dataRoot: string;
  /** The engine's own view. */
  readonly docker: Dockerode;
  /**
   * How often a network half written had to be removed before it started again. This version panics
   * over one at each start (its own bug), and an operator would have to do the same.
   */
  readonly networkFilesRemoved: number;
  /** `kill -9`, its containerd too: without that the next start would wait for a minute. */
  kill(): Promise<void>;
  /** As `systemctl stop docker` does. */
  stop(): Promise<void>;
  /** Starts it after its end, and returns once it answers. */
  start(how?: Pick<PrivateEngineOptions, "liveRestore">): Promise<void>;
  /** Brings an image over from the machine's own engine. */
  load(image: string): Promise<void>;
  /** All that is on it beside images and what every engine has. */
  everything(): Promise<readonly string[]>;
  /** What it wrote to its log, for looking at a failure. */
  log(): Promise<string>;
}

export async function startPrivateEngine(
  options: PrivateEngineOptions = {},
): Promise<PrivateEngine> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-engine-"));
  const engine = new Daemon(dir, options);
  try {
    await engine.open();
    return engine;
  } catch (err) {
    const log = await engine.log();
    await engine[Symbol.asyncDispose]();
    throw new Error(`The private engine did not start:\n${log.slice(-2_000)}`, { cause: err });
  }
}

class Daemon implements PrivateEngine {
  readonly socketPath: string;
  readonly host: string;
  readonly dataRoot: string;
  readonly docker: Dockerode;
  networkFilesRemoved = 0;
  readonly #dir: string;
  readonly #options: PrivateEngineOptions;
  #holder: ChildProcess | undefined;
  #dockerd: ChildProcess | undefined;

  constructor(dir: string, options: PrivateEngineOptions) {
    this.#dir = dir;
    this.#options = options;
    this.socketPath = join(dir, "s");
    this.host = `unix://${this.socketPath}`;
    this.dataRoot = join(dir, "data");
    this.docker = new Dockerode({ socketPath: this.socketPath });
  }

  async open(): Promise<void> {
    await mkdir(this.dataRoot);
    const { diskMib } = this.#options;
    if (diskMib !== undefined) {
      await runToItsEnd("mount", ["-t", "tmpfs", "-o", `size=${diskMib}m`, "tmpfs", this.dataRoot]);
    }
    // Its namespaces outlive it: what it mounted must still be there when it starts again.
    const script = "ip link set lo up && echo up && exec sleep infinity";
    const args = ["--net", "--mount", "--", "sh", "-c", script];
    this.#holder = spawn("unshare", args, { stdio: ["ignore", "pipe", "inherit"] });
    if (this.#holder.stdout !== null) await once(this.#holder.stdout, "data");
    await this.start();
  }

  async start(how: Pick<PrivateEngineOptions, "liveRestore"> = this.#options): Promise<void> {
    const pools = [{ base: "10.98.76.0/24", size: 25 }];
    const settings = {
      "live-restore": how.liveRestore ?? false,
      ...(this.#options.hasOneNetwork === true ? { "default-address-pools": pools } : {}),
    };
    await writeFile(this.#path("daemon.json"), JSON.stringify(settings));
    // As systemd does: what it finds after a kill may end it once more.
    for (let tries = 1; !(await this.#run()); tries += 1) {
      if ((await this.log()).slice(-10_000).includes("reservePools")) {
        this.networkFilesRemoved += 1;
        await rm(join(this.dataRoot, "network/files/local-kv.db"), { force: true });
      }
      if (tries === TRIES_MAX) throw new Error(`dockerd:\n${(await this.log()).slice(-3_000)}`);
    }
  }

  /** False: it ended while it started. */
  async #run(): Promise<boolean> {
    const log = await open(this.#path("log"), "a");
    const target = String(this.#holder?.pid ?? "");
    const dockerd = ["dockerd", "--config-file", this.#path("daemon.json"), "--host", this.host];
    const roots = ["--data-root", this.dataRoot, "--exec-root", this.#path("exec")];
    const own = ["--pidfile", this.#path("pid"), "--storage-driver", "overlay2"];
    const args = ["-t", target, "-n", "-m", "--", ...dockerd, ...roots, ...own];
    this.#dockerd = spawn("nsenter", args, { stdio: ["ignore", log.fd, log.fd] });
    await log.close();
    await within(START_MS, "answer", async () => this.#hasEnded() || (await this.#answers()));
    return !this.#hasEnded();
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async load(image: string): Promise<void> {
    const script = 'docker -H "$1" save "$3" | docker -H "$2" load';
    await runToItsEnd("sh", ["-ec", script, "load", HOST_SOCKET, this.host, image]);
  }

  async everything(): Promise<readonly string[]> {
    const [containers, networks, { Volumes: volumes }] = await Promise.all([
      this.docker.listContainers({ all: true }),
      this.docker.listNetworks(),
      this.docker.listVolumes(),
    ]);
    const own = new Set(["bridge", "host", "none"]);
    return [
      ...containers.map(({ Names, Id }) => `container ${Names.join(" ") || Id}`),
      ...networks.filter(({ Name }) => !own.has(Name)).map(({ Name }) => `network ${Name}`),
      ...volumes.map(({ Name }) => `volume ${Name}`),
    ];
  }

  async log(): Promise<string> {
    return await readFile(this.#path("log"), "utf8").catch(() => "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#removeContainers().catch(() => undefined);
    await this.#end("SIGTERM").catch(() => this.#end("SIGKILL"));
    // Whoever it left behind names its folder.
    const script = 'for p in $(pgrep -f -- "$1"); do [ "$p" = "$$" ] || kill -9 "$p"; done';
    await runToItsEnd("sh", ["-c", script, "sh", this.#path("exec")]).catch(() => undefined);
    this.#holder?.kill("SIGKILL");
    if (this.#options.diskMib !== undefined) {
      await runToItsEnd("umount", ["--lazy", this.dataRoot]).catch(() => undefined);
    }
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #path(name: string): string {
    return join(this.#dir, name);
  }

  #hasEnded(): boolean {
    return this.#dockerd === undefined || this.#dockerd.exitCode !== null;
  }

  async #answers(): Promise<boolean> {
    return await this.docker.ping().then(
      () => true,
      () => false,
    );
  }

  async #end(how: "SIGKILL" | "SIGTERM"): Promise<void> {
    const containerd = await this.#containerdPid();
    const dockerd = this.#dockerd;
    if (dockerd?.exitCode !== null || dockerd.signalCode !== null) return;
    const gone = once(dockerd, "exit");
    dockerd.kill(how);
    if (how === "SIGKILL" && containerd !== undefined) process.kill(containerd, how);
    await Promise.race([gone, delay(GONE_MS).then(() => Promise.reject(new Error("still there")))]);
    await within(GONE_MS, "end", async () => containerd === undefined || !isAlive(containerd));
    // In a container nobody collects the dead, and for the next one they would still be there.
    await rm(this.#path(CONTAINERD_PID), { force: true });
  }

  async #containerdPid(): Promise<number | undefined> {
    const text = await readFile(this.#path(CONTAINERD_PID), "utf8").catch(() => "");
    const pid = Number.parseInt(text, 10);
    return Number.isNaN(pid) || !isAlive(pid) ? undefined : pid;
  }

  async #removeContainers(): Promise<void> {
    const containers = await this.docker.listContainers({ all: true });
    const how = { force: true, v: true };
    await Promise.allSettled(containers.map(({ Id }) => this.docker.getContainer(Id).remove(how)));
  }
}

async function within(ms: number, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endAt = performance.now() + ms;
  while (!(await isSo())) {
    if (performance.now() > endAt) throw new Error(`It did not ${what} within ${ms / 1000} s.`);
    await delay(LOOK_EVERY_MS);
  }
}
