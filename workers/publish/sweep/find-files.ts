import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isChannelName } from "../../../src/domain/channel.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type { GenerationAge } from "./reachable.ts";

/** Something below one of our folders, whose name says what it is. */
export interface FoundFile {
  readonly path: string;
  /** Its sha256 or id, as its name has it. */
  readonly id: string;
  /** When its inode last changed, epoch milliseconds. */
  readonly changedAt: number;
}

export interface FoundGeneration extends GenerationAge {
  readonly path: string;
}

const NUMBER = /^[1-9]\d{0,14}$/;
const PREFIX = /^[0-9a-f]{2}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const RECORD = /^([0-9a-f]{64})\.json$/;

/** `known`: what was found before, by its path; it is not looked at again. */
export async function findGenerations(
  layout: YumLayout,
  known: ReadonlyMap<string, FoundGeneration> = new Map(),
): Promise<readonly FoundGeneration[]> {
  const found: FoundGeneration[] = [];
  for (const channel of await namesIn(join(layout.yumDir, "channels"))) {
    if (!isChannelName(channel)) continue;
    for (const name of await namesIn(layout.generations(channel))) {
      if (!NUMBER.test(name)) continue;
      const path = join(layout.generations(channel), name);
      const before = known.get(path);
      if (before !== undefined) {
        found.push(before);
        continue;
      }
      // One that was staged may be dropped meanwhile; any other failure leaves a doubt.
      const seen = await lstat(path).catch(noneIfMissing);
      if (seen?.isDirectory() !== true) continue;
      found.push({ channel, number: Number(name), path, changedAt: seen.ctimeMs });
    }
  }
  return found;
}

/** Folders `<kind>/<aa>/<sha256>`, or files of that name. */
export async function* findByDigest(
  layout: YumLayout,
  kind: "segments" | "extras" | "signed",
): AsyncGenerator<FoundFile> {
  const root = join(layout.yumDir, kind);
  for (const prefix of await namesIn(root)) {
    if (!PREFIX.test(prefix)) continue;
    for (const name of await namesIn(join(root, prefix))) {
      const id = kind === "signed" ? RECORD.exec(name)?.[1] : name;
      if (id === undefined || !SHA256.test(id) || !id.startsWith(prefix)) continue;
      const path = join(root, prefix, name);
      const seen = await lstat(path).catch(() => undefined);
      const isOurs = kind === "segments" ? seen?.isDirectory() : seen?.isFile();
      if (seen !== undefined && isOurs === true) yield { path, id, changedAt: seen.ctimeMs };
    }
  }
}

/** None where there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return ((await readdir(folder).catch(noneIfMissing)) ?? []).toSorted();
}

export function noneIfMissing(err: unknown): undefined {
  if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
  throw err;
}
