import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { readTarEntries } from "./tar-entries.ts";
import type { TarEntry } from "./tar-entries.ts";
import { UserFault } from "../../src/domain/faults.ts";

export const PACKAGES_MAX = 500;
export const PACKAGE_BYTES_MAX = 2 * 1024 ** 3;
// Entries of the archive that are no packages cost time too.
const ENTRIES_MAX = 10_000;
const RPM_NAME = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/;

/** An RPM on this worker's disk, on its way to the server. */
export interface RpmFile {
  readonly fileName: string;
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Takes the packages out of a container's archive; whatever else is in there stays out. */
export async function saveRpms(
  tar: NodeJS.ReadableStream,
  dir: string,
  signal: AbortSignal,
): Promise<readonly RpmFile[]> {
  await mkdir(dir, { recursive: true });
  const files = new Map<string, RpmFile>();
  let seen = 0;
  const take = async (entry: TarEntry): Promise<void> => {
    seen += 1;
    if (seen > ENTRIES_MAX) throw overLimit(`more than ${ENTRIES_MAX} files`);
    const fileName = basename(entry.header.name);
    if (entry.header.type !== "file" || !RPM_NAME.test(fileName)) return void entry.resume();
    if (files.size === PACKAGES_MAX) throw overLimit(`more than ${PACKAGES_MAX} packages`);
    const sizeBytes = entry.header.size ?? 0;
    if (sizeBytes > PACKAGE_BYTES_MAX) throw overLimit(`${fileName} is larger than 2 GiB`);
    const file = { fileName, path: join(dir, fileName), sizeBytes };
    files.set(fileName, await save(Readable.from(entry, { objectMode: false }), file));
  };
  await readTarEntries(tar, take, signal);
  return [...files.values()].toSorted((a, b) => (a.fileName < b.fileName ? -1 : 1));
}

async function save(entry: Readable, file: Omit<RpmFile, "sha256">): Promise<RpmFile> {
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(entry, hashing, createWriteStream(file.path, { mode: 0o600 }));
  return { ...file, sha256: hash.digest("hex") };
}

function overLimit(what: string): UserFault {
  return new UserFault("PACKAGE_LIMIT", `The build made too much: ${what}.`, {
    hint: "A build may have 500 packages of 2 GiB each.",
  });
}
