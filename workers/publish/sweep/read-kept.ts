import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { generationFile, readSegment, readTargetState } from "../../../src/yum/target-state.ts";
import { noneIfMissing } from "./find-files.ts";
import { reachableFrom } from "./reachable.ts";
import type { Reachable } from "./reachable.ts";

export interface KeptGeneration {
  readonly channel: string;
  readonly number: number;
}

/** What generations that stay need; it grows while they are read. */
export interface Needs extends Reachable {
  /** As `channel/number`: their own folders, and those of older ones whose files they use. */
  readonly generations: ReadonlySet<string>;
}

/** Before segments: each target's whole list in one file. */
const wholeLists = z.object({
  targets: z.record(
    z.string(),
    z.object({ since: z.number(), packages: z.array(z.object({ sha256: z.string() })) }),
  ),
});

export interface NeedsReader {
  readonly needs: Needs;
  /**
   * Adds what these need; what cannot have changed is not read again. Throws `PUBLISH_FAILED` if any of it
   * cannot be read: on a doubt nothing is deleted.
   */
  add(kept: readonly KeptGeneration[], signal: AbortSignal): Promise<void>;
}

/** `heads`: up to them a channel's generations never change; one above may be dropped, and its number used again. */
export function openNeeds(layout: YumLayout, heads: ReadonlyMap<string, number>): NeedsReader {
  const generations = new Set<string>();
  const segments = new Set<string>();
  const extras = new Set<string>();
  const packages = new Set<string>();
  const read = new Set<string>();
  const remember = (name: string, { channel, number }: KeptGeneration): void => {
    if (number <= (heads.get(channel) ?? 0)) read.add(name);
  };

  const addState = async (place: { channel: string; number: number; target: string }) => {
    const { channel, number, target } = place;
    const name = `${channel}/${number}/${target}`;
    // Most targets are the same in many generations.
    if (read.has(name)) return;
    const state = await reading(name, () => readTargetState(layout, place));
    const fresh = state.segments.filter(({ id }) => !segments.has(id));
    const sealed = new Map<string, readonly string[]>();
    for (const { id } of fresh) {
      const { packages: listed } = await reading(`segment ${id}`, () => readSegment(layout, id));
      sealed.set(
        id,
        listed.map(({ sha256 }) => sha256),
      );
    }
    const reachable = reachableFrom([state], (id) => sealed.get(id) ?? []);
    reachable.segments.forEach((id) => segments.add(id));
    reachable.extras.forEach((sha256) => extras.add(sha256));
    reachable.packages.forEach((sha256) => packages.add(sha256));
    generations.add(`${channel}/${number}`);
    for (const view of Object.values(state.views)) {
      if (view !== null) generations.add(`${channel}/${view.since}`);
    }
    remember(name, place);
  };

  const addGeneration = async ({ channel, number }: KeptGeneration): Promise<void> => {
    const path = join(layout.generation(channel, number), "generation.json");
    const text = await reading(path, () => readFile(path, "utf8"));
    const json = await reading(path, async () => JSON.parse(text) as unknown);
    const whole = wholeLists.safeParse(json);
    if (whole.success) {
      for (const { since, packages: listed } of Object.values(whole.data.targets)) {
        generations.add(`${channel}/${since}`);
        for (const { sha256 } of listed) packages.add(sha256);
      }
      return;
    }
    const file = await reading(path, async () => generationFile.parse(json));
    for (const [target, made] of Object.entries(file.targets)) {
      await addState({ channel, number: made, target });
    }
  };

  return {
    needs: { generations, segments, extras, packages },
    add: async (kept, signal) => {
      for (const generation of kept) {
        signal.throwIfAborted();
        const name = `${generation.channel}/${generation.number}`;
        if (read.has(name)) continue;
        try {
          await addGeneration(generation);
        } catch (err) {
          // One that was staged and is dropped now goes away whole.
          const folder = layout.generation(generation.channel, generation.number);
          if ((await lstat(folder).catch(noneIfMissing)) !== undefined) throw err;
          continue;
        }
        generations.add(name);
        remember(name, generation);
      }
    },
  };
}

async function reading<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = `Nothing was deleted: ${what} is needed and cannot be read.`;
    throw new InfraFault("PUBLISH_FAILED", message, { cause });
  }
}
