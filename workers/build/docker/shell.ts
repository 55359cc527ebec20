import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { DEADLINE_MS, call, callOrNothing, make } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { createReplacing } from "./container.ts";
import { IMAGE_TAGS, LABEL, keptName, keptUntil, safe } from "./names.ts";
import { createNetwork, removeNetwork } from "./network.ts";
import type { MirrorProxy } from "./network.ts";
import { nextExit, observed, readExit } from "./run.ts";
import type { Egress, NetworkHandle, Owner, ShellSession } from "../engine.ts";

export interface KeptDeps extends DockerDeps {
  readonly now: () => number;
  readonly mirrorProxy: MirrorProxy | null;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A shell's things outlive a worker that dies over it, and are leftovers after this. */
const SESSION_MS_MAX = 2 * 60 * 60 * 1_000;
const CLOSE_DEADLINE_MS = 60_000;
/** An engine may take a terminal's size before there is a terminal, so it is told twice. */
const SIZE_AGAIN_MS = 100;
/** The shell asks for the size once, when it starts: it does so when there is one. */
const SHELL =
  'n=0; while [ $n -lt 20 ] && [ "$(stty size 2>/dev/null)" = "0 0" ]; do n=$((n+1)); sleep 0.05; done; ' +
  "unset n; exec $(command -v bash || echo sh)";

/** A terminal would turn each end of a line into two bytes, and say again what is typed. */
const COMMAND = 'stty -opost -echo 2>/dev/null; exec sh -c "$1"';
const END_OF_INPUT = "\u0004";

/**
 * A container cannot be started again with another command, so its files become an image, and the
 * shell runs in a container of that, with the volumes, environment and limits of the first.
 */
export async function openShell(
  deps: KeptDeps,
  kept: { readonly id: string; readonly until: number },
  { command, ...size }: Size & { readonly command?: string },
  signal: AbortSignal,
): Promise<ShellSession> {
  const original = await call(
    { doing: "inspect a kept container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => deps.docker.getContainer(kept.id).inspect({ abortSignal }),
  );
  const place = placeOf(original, Math.max(kept.until, deps.now() + SESSION_MS_MAX));
  const made = new Made(deps);
  try {
    const image = await made.image(original, place, signal);
    const network = await made.network(place, egressOf(original), signal);
    const wish = { ...place, image, network, command };
    const container = await made.container(original, wish, signal);
    return await attachShell(container, { size, made, isCommand: command !== undefined }, signal);
  } catch (err) {
    await made.remove().catch((removeErr: unknown) => {
      deps.logger.warn({ err: removeErr, containerId: kept.id }, "Shell not removed");
    });
    throw err;
  }
}

interface Place {
  readonly owner: Owner;
  /** Names of its container, image tag and network begin alike, and say until when they are kept. */
  readonly name: string;
}

function placeOf({ Config: { Labels: labels } }: Dockerode.ContainerInspectInfo, until: number) {
  const session = randomBytes(4).toString("hex");
  const owner: Owner = {
    workerId: labels[LABEL.worker] ?? "",
    jobId: labels[LABEL.job] ?? "",
    attempt: Number(labels[LABEL.attempt]),
    step: `${labels[LABEL.step] ?? ""}-shell-${session}`,
  };
  return { owner, name: keptName(until, owner) };
}

function egressOf({ Config: { Labels: labels } }: Dockerode.ContainerInspectInfo): Egress | null {
  const egress = labels[LABEL.egress];
  return egress === "internet" || egress === "mirrors" ? egress : null;
}

/** What a session has made so far, for its end. */
class Made {
  readonly #deps: KeptDeps;
  readonly #removals: ((signal: AbortSignal) => Promise<unknown>)[] = [];

  constructor(deps: KeptDeps) {
    this.#deps = deps;
  }

  async image(
    { Id: id }: Dockerode.ContainerInspectInfo,
    { name, owner }: Place,
    signal: AbortSignal,
  ): Promise<string> {
    const { docker } = this.#deps;
    const seconds = (keptUntil(name) ?? 0) / 1000;
    const tag = `${seconds}-${safe(`${owner.jobId}-${owner.attempt}-${owner.step}`)}`;
    const options = { doing: "keep a container's files", deadlineMs: DEADLINE_MS.transfer, signal };
    await make(this.#deps, options, (abortSignal) =>
      docker.getContainer(id).commit({
        _query: { container: id, repo: IMAGE_TAGS.kept, tag, pause: false },
        // The labels say whose container it is, and an image passes them on.
        _body: { Labels: Object.fromEntries(Object.values(LABEL).map((name) => [name, ""])) },
        abortSignal,
      } as object),
    );
    const image = `${IMAGE_TAGS.kept}:${tag}`;
    this.#atEnd("remove an image", (abortSignal) =>
      docker.getImage(image).remove({ abortSignal } as object),
    );
    return image;
  }

  /** The step's own network is gone, and its services with it; a new one lets out the same. */
  async network(
    { owner, name }: Place,
    egress: Egress | null,
    signal: AbortSignal,
  ): Promise<NetworkHandle | "none"> {
    if (egress === null) return "none";
    const network = await createNetwork(this.#deps, owner, { egress, name }, signal);
    this.#removals.unshift((abortSignal) => removeNetwork(this.#deps, network.id, abortSignal));
    return network;
  }

  async container(
    original: Dockerode.ContainerInspectInfo,
    place: Place & ShellPlace,
    signal: AbortSignal,
  ): Promise<Dockerode.Container> {
    const options = shellOptions(original, place);
    const { owner, name } = place;
    const container = await createReplacing(this.#deps, { options, owner, name }, signal);
    this.#removals.unshift((abortSignal) => removeShell(container, abortSignal));
    return container;
  }

  #atEnd(doing: string, run: (abortSignal: AbortSignal) => Promise<unknown>): void {
    this.#removals.unshift((signal) =>
      callOrNothing({ doing, deadlineMs: DEADLINE_MS.heavy, signal }, run),
    );
  }

  /** The newest first: the container before its network and its image. */
  async remove(): Promise<void> {
    const signal = AbortSignal.timeout(CLOSE_DEADLINE_MS);
    for (let next = this.#removals.shift(); next; next = this.#removals.shift()) {
      await next(signal);
    }
  }
}

/** Not with its unnamed volumes: they belong to the kept container too. */
async function removeShell(container: Dockerode.Container, signal: AbortSignal): Promise<void> {
  await callOrNothing(
    { doing: "remove a shell", deadlineMs: DEADLINE_MS.heavy, signal },
    (abortSignal) => container.remove({ force: true, v: false, abortSignal }),
  );
}

interface ShellPlace {
  readonly image: string;
  readonly network: NetworkHandle | "none";
  /** Undefined: an interactive shell. */
  readonly command: string | undefined;
}

function shellOptions(
  { Config: config, HostConfig: host, Mounts: mounts }: Dockerode.ContainerInspectInfo,
  { owner, image, network, command }: Pick<Place, "owner"> & ShellPlace,
): Dockerode.ContainerCreateOptions {
  return {
    Image: image,
    Labels: { ...config.Labels, [LABEL.step]: owner.step },
    Entrypoint: command === undefined ? ["sh", "-c", SHELL] : ["sh", "-c", COMMAND, "sh", command],
    Cmd: [],
    Env: [...config.Env, "TERM=xterm-256color"],
    WorkingDir: config.WorkingDir,
    User: config.User,
    Hostname: config.Hostname,
    Healthcheck: { Test: ["NONE"] },
    Tty: true,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      ...sameConfinement(host),
      LogConfig: { Type: "none", Config: {} },
      NetworkMode: network === "none" ? "none" : network.name,
      Mounts: mounts.flatMap(({ Type, Name, Destination }) =>
        Type === "volume" && Name !== undefined
          ? [{ Type: "volume" as const, Source: Name, Target: Destination }]
          : [],
      ),
    },
  };
}

const CONFINEMENT = [
  "CapAdd",
  "CapDrop",
  "SecurityOpt",
  "PidsLimit",
  "Memory",
  "MemorySwap",
  "NanoCpus",
  "Ulimits",
  "IpcMode",
  "CgroupnsMode",
  "CgroupParent",
  "OomScoreAdj",
  "Dns",
  "DnsOptions",
  "Init",
  "Tmpfs",
  "Runtime",
] as const;

function sameConfinement(host: Dockerode.HostConfig): Dockerode.HostConfig {
  const all: Record<string, unknown> = { ...host };
  return Object.fromEntries(CONFINEMENT.map((key) => [key, all[key]]));
}

async function attachShell(
  container: Dockerode.Container,
  {
    size,
    made,
    isCommand,
  }: { readonly size: Size; readonly made: Made; readonly isCommand: boolean },
  signal: AbortSignal,
): Promise<ShellSession> {
  const closed = new AbortController();
  const quick = { doing: "open a shell", deadlineMs: DEADLINE_MS.quick, signal };
  const terminal = (await call(quick, () =>
    container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true }),
  )) as Duplex;
  terminal.on("error", () => undefined);
  const exit = await call(quick, () => nextExit(container, closed.signal));
  const exited = observed(readExit(exit));
  await call({ ...quick, deadlineMs: DEADLINE_MS.heavy }, (abortSignal) =>
    container.start({ abortSignal }),
  );
  const resize = ({ columns, rows }: Size) =>
    call({ ...quick, signal: closed.signal }, (abortSignal): Promise<void> =>
      container.resize({ w: columns, h: rows, abortSignal }),
    );
  // A command asks for no size, and may have ended already; what it reads from is empty.
  if (isCommand) terminal.write(END_OF_INPUT);
  else {
    await resize(size);
    await sleep(SIZE_AGAIN_MS, undefined, { signal });
    await resize(size);
  }
  return {
    output: terminal,
    input: terminal,
    resize,
    ended: async () => {
      await exited;
      return exitCodeOf(container);
    },
    close: async () => {
      await made.remove();
      terminal.destroy();
      closed.abort();
    },
  };
}

async function exitCodeOf(container: Dockerode.Container): Promise<number> {
  const signal = AbortSignal.timeout(DEADLINE_MS.quick);
  const options = { doing: "inspect a shell", deadlineMs: DEADLINE_MS.quick, signal };
  const found = await call(options, (abortSignal) => container.inspect({ abortSignal }));
  return found.State.ExitCode;
}
