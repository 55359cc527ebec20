import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const GIT_MS = 30_000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;
/** Branches and tags; other refs, such as those of a try, are nobody's push. */
const PUSHED = ["refs/heads", "refs/tags"] as const;

export interface Head {
  readonly repo: string;
  readonly ref: string;
  /** The object that the ref names, as a push says it. */
  readonly sha: string;
}

/** What the refs of the own remote name now, read by git itself. */
export async function ownHeads(
  dataDir: string,
  repos: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<readonly Head[]> {
  const heads: Head[] = [];
  for (const repo of repos) {
    const dir = join(dataDir, "git", `${repo}.git`);
    const args = ["--git-dir", dir, "for-each-ref", "--format=%(objectname) %(refname)", ...PUSHED];
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", GIT_CONFIG_NOSYSTEM: "1", HOME: "/" };
    const limits = { env, timeout: GIT_MS, maxBuffer: OUTPUT_BYTES_MAX, signal };
    // A repo of which nothing was ever pushed has no folder.
    const { stdout } = await run("git", args, limits).catch((err: unknown) => {
      signal.throwIfAborted();
      if (err instanceof Error && "code" in err && err.code === 128) return { stdout: "" };
      throw err;
    });
    for (const line of stdout.split("\n").filter((text) => text !== "")) {
      const [sha = "", ref = ""] = line.split(" ");
      heads.push({ repo, ref, sha });
    }
  }
  return heads;
}
