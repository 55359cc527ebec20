import { statfs } from "node:fs/promises";

/** A second of pushes is far less than the room that is kept free. */
const FRESH_MS = 1_000;
const MIB = 2 ** 20;

export interface Room {
  /** Free bytes where the data is; undefined when the file system does not say. */
  readonly freeBytes: number | undefined;
  /** From 0 to 1, as `df` counts it. */
  readonly usedShare: number | undefined;
}

/** How full the disk with the data is. */
export async function lookAtRoom(dataDir: string): Promise<Room> {
  return await statfs(dataDir).then(
    ({ bavail, bfree, blocks, bsize }) => {
      const used = blocks - bfree;
      return { freeBytes: bavail * bsize, usedShare: used / Math.max(1, used + bavail) };
    },
    () => ({ freeBytes: undefined, usedShare: undefined }),
  );
}

/**
 * Says whether there is room for more, looking at the disk at most once a second. Below `minMib`
 * nothing is accepted any more: intake would be the first to break a promise.
 */
export function watchRoom(
  dataDir: string,
  minMib: number,
  now: () => number,
): () => Promise<boolean> {
  let looked = { at: Number.NEGATIVE_INFINITY, room: Promise.resolve(true) };
  const look = async (): Promise<boolean> => {
    const { freeBytes } = await lookAtRoom(dataDir);
    return freeBytes === undefined || freeBytes >= minMib * MIB;
  };
  return () => {
    // A clock that was set back must not make the last look last.
    if (Math.abs(now() - looked.at) > FRESH_MS) looked = { at: now(), room: look() };
    return looked.room;
  };
}
