import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { YumLayout } from "../../yum/layout.ts";
import type { ServedView } from "../../yum/served-view.ts";
import { segmentsOf, targetState, viewOf } from "../../yum/target-state.ts";
import type { TargetState } from "../../yum/target-state.ts";
import { absent } from "./absent.ts";
import { boundedCache } from "./bounded-cache.ts";

/** A served name's metadata as one generation has it. */
export interface Repodata {
  /** The generation that made it, and the folder that `repomd.xml` is in. */
  readonly since: number;
  readonly folder: string;
  /** What the documents are streamed from; undefined where they are whole files in the folder. */
  readonly segmented: Segmented | undefined;
}

export type Segmented = Pick<ServedView, "state" | "view" | "segments" | "repodata">;

/** A served name in one generation of a channel, checked by `names.ts`. */
export interface Place {
  readonly channel: string;
  readonly served: string;
  readonly number: number;
}

/** The immutable part of `<data>/yum/channels`, read once and remembered within bounds. */
export interface Generations {
  /** Undefined when that generation is gone or has no such target. */
  repodata(place: Place): Promise<Repodata | undefined>;
  /** The metadata that came before it, for clients whose index is older than the pointer. */
  before(place: Place): Promise<Place | undefined>;
}

const STATES_BYTES_MAX = 8 * 2 ** 20;
const INDEXES_BYTES_MAX = 4 * 2 ** 20;

/** Of both formats: until 2 a generation listed its packages, and kept whole documents. */
const generationIndex = z.object({
  base: z.number(),
  targets: z.record(
    z.string(),
    z.union([z.number(), z.object({ since: z.number() }).transform(({ since }) => since)]),
  ),
});
type GenerationIndex = z.infer<typeof generationIndex>;

interface Parsed<T> {
  readonly value: T | undefined;
  readonly bytes: number;
}

export function openGenerations(layout: YumLayout): Generations {
  const weigh = ({ bytes }: Parsed<unknown>): number => bytes;
  const states = boundedCache<Parsed<TargetState>>({ weightMax: STATES_BYTES_MAX, weigh });
  const indexes = boundedCache<Parsed<GenerationIndex>>({ weightMax: INDEXES_BYTES_MAX, weigh });

  const stateOf = async ({ channel, served, number }: Place): Promise<TargetState | undefined> => {
    const path = join(layout.served(channel, number, viewOf(served).target), "target.json");
    return (await states.get(path, () => parseFile(path, targetState))).value;
  };
  const indexOf = async (channel: string, number: number): Promise<GenerationIndex | undefined> => {
    const path = join(layout.generation(channel, number), "generation.json");
    return (await indexes.get(path, () => parseFile(path, generationIndex))).value;
  };
  /** The generation that `number` says has this target's metadata. */
  const sinceOf = async ({ channel, served, number }: Place): Promise<number | undefined> => {
    const targets = (await indexOf(channel, number))?.targets ?? {};
    const name = viewOf(served).target;
    return Object.hasOwn(targets, name) ? targets[name] : undefined;
  };

  /** What this generation itself wrote. */
  const written = async (place: Place): Promise<Repodata | undefined> => {
    const { channel, served, number } = place;
    const folder = (since: number): string =>
      join(layout.served(channel, since, served), "repodata");
    const state = await stateOf(place);
    if (state === undefined) {
      const whole = await stat(folder(number)).catch(absent);
      return whole && { since: number, folder: folder(number), segmented: undefined };
    }
    const { view: name } = viewOf(served);
    const view = state.views[name];
    if (view === null) return undefined;
    // A layer may be older than the target's state: the base is, at nearly each publish.
    const repodata = folder(view.since);
    const segmented = { state, view, segments: segmentsOf(state, name), repodata };
    return { since: view.since, folder: repodata, segmented };
  };

  return {
    repodata: async (place) => {
      const own = await written(place);
      if (own !== undefined) return own;
      const since = await sinceOf(place);
      return since === undefined || since >= place.number
        ? undefined
        : await written({ ...place, number: since });
    },
    before: async (place) => {
      const { channel, number } = place;
      const base = (await indexOf(channel, number))?.base ?? 0;
      const since =
        base > 0 && base < number ? await sinceOf({ ...place, number: base }) : undefined;
      return since === undefined ? undefined : { ...place, number: since };
    },
  };
}

/** Undefined when there is no such file. One that is not what it should be is our fault, not a request's. */
async function parseFile<T>(path: string, schema: z.ZodType<T>): Promise<Parsed<T>> {
  const text = await readFile(path, "utf8").catch(absent);
  // It weighs more than the cache takes: what is missing now is looked for again.
  if (text === undefined) return { value: undefined, bytes: Infinity };
  try {
    return { value: schema.parse(JSON.parse(text)), bytes: text.length };
  } catch (err) {
    throw new Error(`${path} cannot be read as what a generation writes.`, { cause: err });
  }
}
