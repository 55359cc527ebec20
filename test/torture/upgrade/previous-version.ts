import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../../..");
/** The last commit of the version before this one. */
const PREVIOUS = "b0f67a2cb3bee7a8035139e12d4d4e0254b6f512";
/** The first change of the database that it does not have. */
const FIRST_NEW_MIGRATION = "src/server/store/migrations/0008*";
const ARCHIVE_BYTES_MAX = 512 * 1024 * 1024;

/**
 * The commit of the version before: the known one where it is part of the history, else the one before
 * the database's first new migration. A string that begins with "no" says why there is none.
 */
export async function previousCommit(): Promise<string | { readonly absent: string }> {
  const git = async (...args: string[]) =>
    (await run("git", ["-C", ROOT, ...args], { maxBuffer: ARCHIVE_BYTES_MAX })).stdout.trim();
  try {
    await git("cat-file", "-e", `${PREVIOUS}^{commit}`);
    return PREVIOUS;
  } catch {
    const added = ["log", "--diff-filter=A", "--format=%H", "--", FIRST_NEW_MIGRATION];
    const [first] = (await git(...added).catch(() => "")).split("\n").toReversed();
    if (first === undefined || first === "") {
      return { absent: `no commit of the version before is in the git history of ${ROOT}` };
    }
    return await git("rev-parse", `${first}^`).catch(() => ({
      absent: `the commit before ${first} is not in this history: fetch it with --unshallow`,
    }));
  }
}

/** Puts the files of a commit into a folder, with the packages that are installed here. */
export async function unpack(commit: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  const archive = spawn("git", ["-C", ROOT, "archive", commit], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const tar = spawn("tar", ["-x", "-C", into], { stdio: [archive.stdout, "inherit", "inherit"] });
  const [[archived], [unpacked]] = await Promise.all([once(archive, "exit"), once(tar, "exit")]);
  if (archived !== 0 || unpacked !== 0) throw new Error(`${commit} could not be unpacked.`);
  await symlink(join(ROOT, "node_modules"), join(into, "node_modules"));
}
