import type Dockerode from "dockerode";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { ContainerEnd } from "../../../src/domain/step.ts";
import { getArchive, putArchive } from "./archive.ts";
import { DEADLINE_MS, call, callOrNothing, engineMessage, make, statusOf } from "./client.ts";
import type { DockerDeps } from "./client.ts";
import { LABEL, nameOf } from "./names.ts";
import { keep } from "./kept.ts";
import { DockerRun } from "./run.ts";
import type { RunSpec } from "./run.ts";
import { idleOptions, stepOptions } from "./spec.ts";
import type { IdleSpec } from "./spec.ts";
import type { Container, ContainerSpec, OnOutput, Owner } from "../engine.ts";

export async function createContainer(
  deps: DockerDeps,
  spec: ContainerSpec,
  signal: AbortSignal,
): Promise<Container> {
  const created = await createReplacing(
    deps,
    { options: stepOptions(deps, spec), owner: spec.owner },
    signal,
  );
  return new DockerContainer(deps, created, spec);
}

/** A container that never runs: through it archives reach volumes, and files of an image are read. */
export async function createIdleContainer(
  deps: DockerDeps,
  spec: IdleSpec,
  signal: AbortSignal,
): Promise<Dockerode.Container> {
  return createReplacing(deps, { options: idleOptions(deps, spec), owner: spec.owner }, signal);
}

export class DockerContainer implements Container {
  readonly id: string;
  readonly #container: Dockerode.Container;
  readonly #owner: Owner;
  protected readonly run: DockerRun;

  constructor(
    deps: DockerDeps,
    container: Dockerode.Container,
    spec: RunSpec & Pick<ContainerSpec, "owner">,
  ) {
    this.id = container.id;
    this.#owner = spec.owner;
    this.#container = container;
    this.run = new DockerRun(deps, container, spec);
  }

  async putArchive(tar: NodeJS.ReadableStream, path: string, signal: AbortSignal): Promise<void> {
    await putArchive(this.#container, tar, path, signal);
  }

  async start(onOutput: OnOutput, signal: AbortSignal): Promise<void> {
    await this.run.start(onOutput, signal);
  }

  async openGate(signal: AbortSignal): Promise<void> {
    await this.run.openGate(signal);
  }

  commandExit(): Promise<number | null> {
    return this.run.commandExit();
  }

  async wait(signal: AbortSignal): Promise<ContainerEnd> {
    return this.run.wait(signal);
  }

  async getArchive(path: string, signal: AbortSignal): Promise<NodeJS.ReadableStream | undefined> {
    return getArchive(this.#container, path, signal);
  }

  memoryPeakBytes(): number | null {
    return this.run.memoryPeakBytes();
  }

  async keepUntil(at: number, signal: AbortSignal): Promise<void> {
    await this.run.stop();
    this.run.close();
    await keep(this.#container, this.#owner, at, signal);
  }

  async remove(signal: AbortSignal): Promise<void> {
    this.run.close();
    await removeContainer(this.#container, signal);
  }
}

interface NewContainer {
  readonly options: Dockerode.ContainerCreateOptions;
  readonly owner: Owner;
  readonly name?: string;
}

/**
 * Names come from job, attempt and step, so a container of that name is what an earlier life of this
 * attempt left: it is replaced, and the step starts over.
 */
export async function createReplacing(
  deps: DockerDeps,
  { options, owner, name = nameOf(owner) }: NewContainer,
  signal: AbortSignal,
): Promise<Dockerode.Container> {
  const create = () =>
    make(
      deps,
      { doing: "create a container", deadlineMs: DEADLINE_MS.heavy, signal },
      // Without the split the library repeats the whole body, secrets included, in the URL.
      (abortSignal) =>
        deps.docker.createContainer({ _query: { name }, _body: options, abortSignal } as object),
    );
  try {
    return await create();
  } catch (err) {
    if (!(err instanceof InfraFault) || statusOf(err.cause) !== 409) throw err;
    const old = deps.docker.getContainer(name);
    if (!(await isGoneOrOf(old, owner, signal))) throw err;
    await removeContainer(old, signal);
    return create();
  }
}

async function isGoneOrOf(
  container: Dockerode.Container,
  owner: Owner,
  signal: AbortSignal,
): Promise<boolean> {
  const found = await callOrNothing(
    { doing: "inspect a container", deadlineMs: DEADLINE_MS.quick, signal },
    (abortSignal) => container.inspect({ abortSignal }),
  );
  const labels = found?.Config.Labels ?? {};
  return !found || (labels[LABEL.job] === owner.jobId && labels[LABEL.step] === owner.step);
}

/** Kills what runs, and takes volumes along that the image's own `VOLUME` lines made. */
export async function removeContainer(
  container: Dockerode.Container,
  signal: AbortSignal,
): Promise<void> {
  await call(
    { doing: "remove a container", deadlineMs: DEADLINE_MS.heavy, signal },
    async (abortSignal) => {
      try {
        await container.remove({ force: true, v: true, abortSignal });
      } catch (err) {
        if (!isBeingRemoved(err)) throw err;
      }
    },
  );
}

function isBeingRemoved(err: unknown): boolean {
  if (statusOf(err) === 404) return true;
  return statusOf(err) === 409 && /already in progress/.test(engineMessage(err));
}
