import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { YumLayout } from "../../src/yum/layout.ts";
import { InfraFault } from "../../src/domain/faults.ts";
import type { StagedGeneration } from "./engine/engine.ts";

/** Where this process believes each channel to be. The server knows; this saves asking. */
export interface ChannelHeads {
  /** The newer of what a grant said and what this process has made live since. */
  of(channel: string, granted: number): number;
  /** Targets, without layers, of a channel's generation. */
  targets(channel: string, number: number): Promise<readonly string[]>;
  /** The server says so: it may be lower, after a restored backup. */
  moved(channel: string, head: number): void;
  live(staged: StagedGeneration): void;
}

export function openChannelHeads(layout: YumLayout): ChannelHeads {
  const heads = new Map<string, number>();
  const known = new Map<string, { readonly number: number; readonly targets: readonly string[] }>();
  return {
    of: (channel, granted) => Math.max(granted, heads.get(channel) ?? 0),
    targets: async (channel, number) => {
      if (number === 0) return [];
      const found = known.get(channel);
      if (found?.number === number) return found.targets;
      const targets = Object.keys((await read(layout, channel, number)).targets);
      known.set(channel, { number, targets });
      return targets;
    },
    moved: (channel, head) => void heads.set(channel, head),
    live: ({ channel, number, counts }) => {
      heads.set(channel, number);
      known.set(channel, { number, targets: Object.keys(counts) });
    },
  };
}

/** All that is needed here, and the same in every format that a generation ever had. */
const anyGeneration = z.object({ targets: z.record(z.string(), z.unknown()) });

async function read(layout: YumLayout, channel: string, number: number) {
  try {
    const path = join(layout.generation(channel, number), "generation.json");
    return anyGeneration.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    const message = `Generation ${number} of ${channel} cannot be read.`;
    throw new InfraFault("PUBLISH_FAILED", message, { cause });
  }
}
