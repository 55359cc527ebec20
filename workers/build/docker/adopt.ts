import type Dockerode from "dockerode";
import { DEADLINE_MS, call, callOrNothing } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { DockerContainer, removeContainer } from "./container.ts";
import { followLogs } from "./follow-logs.ts";
import { heldVolumes } from "./kept.ts";
import { LABEL, nameOf } from "./names.ts";
import { piecesTo } from "./output.ts";
import { nextExit, observed, readExit } from "./run.ts";
import type { RunSpec } from "./run.ts";
import type {
  AdoptSpec,
  AdoptedContainer,
  AdoptedService,
  OnOutput,
  OutputStart,
  Owner,
} from "../engine.ts";
import { raceAbort } from "../race-abort.ts";

const STOP_GRACE_SECONDS = 2;
const HEAR_OUT_MS = 10_000;

interface AdoptDeps extends DockerDeps {
  readonly now: () => number;
}

/** Finds a step's container that an earlier life of this worker left running, or that has ended since. */
export async function adoptContainer(
  deps: AdoptDeps,
  { owner, containerId, limits, openedAt }: AdoptSpec,
  signal: AbortSignal,
): Promise<AdoptedContainer | undefined> {
  const container = deps.docker.getContainer(containerId);
  const found = await inspect(container, owner, signal);
  if (found === undefined) return undefined;
  const networks = Object.values(found.NetworkSettings.Networks ?? {});
  const uses = [
    ...(await heldVolumes(deps, [found], signal)),
    ...networks.flatMap(({ NetworkID: id }) => id || []),
  ];
  const spec = { owner, limits, gate: true };
  return new AdoptedDockerContainer(deps, container, spec, { uses, openedAt });
}

class AdoptedDockerContainer extends DockerContainer implements AdoptedContainer {
  readonly uses: readonly string[];
  readonly #container: Dockerode.Container;
  readonly #openedAt: number;
  readonly #now: () => number;

  constructor(
    deps: AdoptDeps,
    container: Dockerode.Container,
    spec: RunSpec & { readonly owner: Owner },
    { uses, openedAt }: { readonly uses: readonly string[]; readonly openedAt: number },
  ) {
    super(deps, container, spec);
    this.#container = container;
    this.uses = uses;
    this.#openedAt = openedAt;
    this.#now = deps.now;
  }

  async follow(
    onOutput: OnOutput,
    from: OutputStart | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    // Its time is up by when it ended, not by when somebody came to look.
    const until = (await endedAt(this.#container, signal)) ?? this.#now();
    const openedAgoMs = Math.max(0, until - this.#openedAt);
    await this.run.resume(onOutput, { from, openedAgoMs }, signal);
  }
}

/** By the engine's clock, epoch milliseconds; undefined: it runs. */
async function endedAt(
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<number | undefined> {
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  const at = Date.parse(found?.State.FinishedAt ?? "");
  return found?.State.Running !== false || Number.isNaN(at) ? undefined : at;
}

/** Finds a service that an earlier life of this worker started; it may have ended by itself. */
export async function adoptService(
  deps: DockerDeps,
  owner: Owner,
  name: string,
  signal: AbortSignal,
): Promise<AdoptedService | undefined> {
  const found = await inspect(deps.docker.getContainer(nameOf(owner)), owner, signal);
  if (found === undefined) return undefined;
  return new AdoptedServiceRun(deps.docker.getContainer(found.Id), name);
}

class AdoptedServiceRun implements AdoptedService {
  readonly id: string;
  readonly name: string;
  readonly #container: Dockerode.Container;
  readonly #closed = new AbortController();
  #heard: Promise<void> = Promise.resolve();

  constructor(container: Dockerode.Container, name: string) {
    this.id = container.id;
    this.name = name;
    this.#container = container;
  }

  async follow(
    onOutput: OnOutput,
    from: OutputStart | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const closed = this.#closed.signal;
    const exit = await call(
      { doing: "wait for a service", deadlineMs: DEADLINE_MS.quick, signal },
      () => nextExit(this.#container, closed, "not-running"),
    );
    const logs = {
      from,
      isNote: () => false,
      onPiece: piecesTo(this.id, onOutput),
      onHeard: () => undefined,
      exited: observed(readExit(exit)),
    };
    this.#heard = observed(followLogs(this.#container, logs, closed));
  }

  async stop(signal: AbortSignal): Promise<void> {
    const stopping = { doing: "stop a service", deadlineMs: DEADLINE_MS.heavy, signal };
    await call(stopping, (abortSignal) =>
      // Not running, already stopped, or gone: all of that is what is wanted.
      this.#container.stop({ t: STOP_GRACE_SECONDS, abortSignal }).catch(() => undefined),
    );
    const patience = AbortSignal.any([signal, AbortSignal.timeout(HEAR_OUT_MS)]);
    await raceAbort(this.#heard, patience).catch(() => undefined);
    this.#closed.abort();
    await removeContainer(this.#container, signal);
  }
}

/** Undefined: there is none, it was never started, or it is another step's. */
async function inspect(
  container: Dockerode.Container,
  { jobId, attempt, step }: Owner,
  signal: AbortSignal,
): Promise<Dockerode.ContainerInspectInfo | undefined> {
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  const labels = found?.Config.Labels ?? {};
  const isIts =
    labels[LABEL.job] === jobId &&
    labels[LABEL.attempt] === String(attempt) &&
    labels[LABEL.step] === step;
  return isIts && found?.State.Status !== "created" ? found : undefined;
}
