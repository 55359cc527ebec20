import { statfs } from "node:fs/promises";

/** Below this nothing is accepted any more; intake would be the first to break a promise. */
const FREE_BYTES_MIN = 1024 ** 3;
/** A second of pushes is far less than the room that is kept free. */
const FRESH_MS = 1_000;

/** Free bytes where the data is; undefined when the file system does not say. */
export async function freeBytes(dataDir: string): Promise<number | undefined> {
  return await statfs(dataDir).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
}

/** Says whether there is room for more, looking at the disk at most once a second. */
export function watchRoom(dataDir: string, now: () => number): () => Promise<boolean> {
  let looked = { at: Number.NEGATIVE_INFINITY, room: Promise.resolve(true) };
  const look = async (): Promise<boolean> => {
    const free = await freeBytes(dataDir);
    return free === undefined || free >= FREE_BYTES_MIN;
  };
  return () => {
    if (now() - looked.at > FRESH_MS) looked = { at: now(), room: look() };
    return looked.room;
  };
}
