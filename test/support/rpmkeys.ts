import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);
const FILES_PER_CALL = 200;

/** For each file: does rpm find its digests right, whoever signed it? */
export async function areDigestsAccepted(paths: readonly string[]): Promise<readonly boolean[]> {
  const db = await mkdtemp(join(tmpdir(), "tatara-rpmdb-"));
  try {
    const accepted: boolean[] = [];
    for (let at = 0; at < paths.length; at += FILES_PER_CALL) {
      const batch = paths.slice(at, at + FILES_PER_CALL);
      const args = ["--dbpath", db, "--checksig", "--nosignature", ...batch];
      // Its exit code is the number of those that it refuses.
      const { stdout } = await exec("rpmkeys", args, { maxBuffer: 2 ** 26 }).catch(
        (err: { stdout?: string; code?: unknown }) => {
          if (typeof err.code !== "number" || err.stdout === undefined) throw err;
          return { stdout: err.stdout };
        },
      );
      // Of a file that it cannot read it prints the name, but no end of the line.
      accepted.push(...batch.map((path) => stdout.includes(`${path}: digests OK\n`)));
    }
    return accepted;
  } finally {
    await rm(db, { recursive: true, force: true });
  }
}
