import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readGeneration } from "../../../src/yum/target-state.ts";
import type { GenerationFile } from "../../../src/yum/target-state.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { readNumbers } from "./generation-numbers.ts";

/**
 * Each channel's highest generation on the disk, the one that was made last first; it may not be
 * announced yet. Those that cannot be read, or are of an older format, are left out.
 */
export async function newestGenerations(layout: YumLayout): Promise<readonly GenerationFile[]> {
  const channels = await readdir(join(layout.yumDir, "channels")).catch(() => []);
  const found: GenerationFile[] = [];
  // One after the other: nothing waits for this, and there may be thousands.
  for (const channel of channels) {
    const newest = await newestOf(layout, channel).catch(() => undefined);
    if (newest !== undefined) found.push(newest);
  }
  return found.toSorted((a, b) => b.createdAt - a.createdAt);
}

async function newestOf(layout: YumLayout, channel: string): Promise<GenerationFile | undefined> {
  const number = Math.max(0, ...(await readNumbers(layout.generations(channel))));
  return number === 0 ? undefined : await readGeneration(layout, channel, number);
}
