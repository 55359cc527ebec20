import { buffer } from "node:stream/consumers";
import { posix } from "node:path";
import { extract } from "tar-stream";
import type { ContainerEnd } from "../../src/domain/step.ts";
import type { AdoptedContainer, ImageBuild, Leftover, Owner } from "../../workers/build/engine.ts";

/** What happens in the step of one name; a step without a script passes in silence. */
export interface StepScript {
  /** `hangs`: runs until it is stopped or hits a limit. `lost`: the engine forgets it. */
  readonly how?: ContainerEnd["how"] | "hangs" | "lost";
  readonly code?: number;
  /** Handed over chunk by chunk. */
  readonly output?: readonly string[];
  /** How long it runs before it ends. */
  readonly lastsMs?: number;
  /** What its gate says the command's exit code is, where that is not the truth. */
  readonly said?: number;
  /** The end that the engine knows of comes only after this. */
  readonly lingers?: Promise<void>;
  /** What it leaves behind: path → content. */
  readonly files?: Readonly<Record<string, string>>;
  /** What the engine says that it had of memory at most. */
  readonly memoryPeakBytes?: number;
  /** For a service: why it is not ready. Its `output` comes before that. */
  readonly notReady?: string;
  /** For the step that builds the image: a build to return, or a fault to throw. */
  readonly build?: ImageBuild | Error;
}

export type Files = Map<string, Buffer>;

export interface Held extends Leftover {
  readonly name: string;
}

export interface World {
  readonly scripts: Readonly<Record<string, StepScript>>;
  readonly held: Map<string, Held>;
  readonly volumes: Map<string, Files>;
  readonly history: string[];
  /** Steps whose containers were kept, by container, with the end of that. */
  readonly kept: Map<string, number>;
  /** Those that were made, by id, for whoever finds them again. */
  readonly containers: Map<string, AdoptedContainer & { readonly isStarted: boolean }>;
  readonly now: () => number;
}

export function hold({ held, now }: World, kind: Leftover["kind"], owner: Owner): Held {
  const { workerId, jobId, attempt, step } = owner;
  const id = idOf(kind, owner);
  const found = { kind, id, name: step, workerId, jobId, attempt, createdAt: now() };
  held.set(id, found);
  return found;
}

export function idOf(
  kind: Leftover["kind"],
  { jobId, attempt, step }: Omit<Owner, "workerId">,
): string {
  return `${kind}-${jobId}-${attempt}-${step}`;
}

export function isKept({ kept, now }: World, id: string): boolean {
  return (kept.get(id) ?? 0) > now();
}

export async function readTar(tar: NodeJS.ReadableStream): Promise<Files> {
  const files: Files = new Map();
  const entries = extract();
  tar.on("error", (err) => entries.destroy(err)).pipe(entries);
  for await (const entry of entries) {
    const content = await buffer(entry);
    if (entry.header.type === "file") files.set(posix.normalize(entry.header.name), content);
  }
  return files;
}
