import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { YumLayout } from "../../../src/yum/layout.ts";

/** Which numbers a channel has used. Read from the disk once: this process is the only writer. */
export interface GenerationNumbers {
  /**
   * The number for a new generation, above every one that was seen. What the same publishes staged
   * before a crash is above the head and was never announced: it is removed. Those of others stay,
   * for they may be newer than a restored database.
   */
  next(request: {
    readonly channel: string;
    readonly head: number;
    readonly builtFor: readonly string[];
  }): Promise<number>;
  staged(channel: string, number: number): void;
  /** It is gone at once, or still whole. */
  drop(channel: string, number: number): Promise<void>;
}

export function openGenerationNumbers(layout: YumLayout): GenerationNumbers {
  const known = new Map<string, Promise<Numbers>>();
  const numbersOf = (channel: string): Promise<Numbers> => {
    const found = known.get(channel) ?? newNumbers(layout.generations(channel));
    known.set(channel, found);
    // What could not be read is read again at the next try.
    found.catch(() => known.delete(channel));
    return found;
  };
  const drop: GenerationNumbers["drop"] = async (channel, number) => {
    const dropped = join(layout.staging, `dropped-${channel}-${number}`);
    await rm(dropped, { recursive: true, force: true });
    await rename(layout.generation(channel, number), dropped).catch(unlessMissing);
    (await numbersOf(channel)).delete(number);
    await rm(dropped, { recursive: true, force: true });
  };

  return {
    drop,
    staged: (channel, number) =>
      void known.get(channel)?.then((numbers) => numbers.set(number, undefined)),
    next: async ({ channel, head, builtFor }) => {
      const numbers = await numbersOf(channel);
      let highest = head;
      for (const [number, known] of numbers) {
        if (number < head) numbers.delete(number);
        if (number <= head) continue;
        highest = Math.max(highest, number);
        const publishes = known ?? (await publishesOf(layout, channel, number));
        numbers.set(number, publishes);
        if (publishes.some((each) => builtFor.includes(each))) await drop(channel, number);
      }
      return highest + 1;
    },
  };
}

/** Each number that is there → the publishes that it was made for, once that was looked up. */
type Numbers = Map<number, readonly string[] | undefined>;

async function newNumbers(folder: string): Promise<Numbers> {
  return new Map((await readNumbers(folder)).map((number) => [number, undefined]));
}

/** Those that were used in a folder of generations; not every one is there still. */
export async function readNumbers(folder: string): Promise<readonly number[]> {
  const names = (await readdir(folder).catch(unlessMissing)) ?? [];
  return names.flatMap((name) => USED.exec(name)?.[1] ?? []).map(Number);
}

/** A generation's folder, or what is left of the highest once it is deleted. */
const USED = /^([1-9]\d{0,14})(?:\.used)?$/;

/**
 * To be called before a generation is deleted. What it served is immutable to every cache between us
 * and the hosts, so its number is never used again, even when its channel is deleted and made anew.
 */
export async function keepNumberTaken(
  layout: YumLayout,
  { channel, number }: { readonly channel: string; readonly number: number },
): Promise<void> {
  const folder = layout.generations(channel);
  const numbers = await readNumbers(folder);
  if (numbers.some((other) => other > number)) return;
  await writeFile(join(folder, `${number}.used`), "", { flush: true });
}

/** One that cannot be read is not ours: ours came here whole. */
async function publishesOf(
  layout: YumLayout,
  channel: string,
  number: number,
): Promise<readonly string[]> {
  const path = join(layout.generation(channel, number), "generation.json");
  const made = z.object({ builtFor: z.union([z.string(), z.array(z.string())]) });
  try {
    return [made.parse(JSON.parse(await readFile(path, "utf8"))).builtFor].flat();
  } catch {
    return [];
  }
}

/** What is gone already need not go; a folder that is not there has nothing in it. */
function unlessMissing(err: unknown): undefined {
  if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
  throw err;
}
