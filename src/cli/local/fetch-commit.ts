import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Env } from "../../shared/config.ts";
import { git, tryGit } from "./git-command.ts";

/** How git shows the server a token without an argument that everybody on the machine can read. */
export function gitAccess(remote: string, token: string): Record<string, string> {
  const basic = Buffer.from(`tatara:${token}`).toString("base64");
  return {
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: `http.${remote}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    GIT_CONFIG_KEY_1: "credential.helper",
    GIT_CONFIG_VALUE_1: "",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
  };
}

/** A commit from the server's own remote, as a bare repository below `dir`; undefined: it is not there. */
export async function fetchCommit(
  { url, token, repo, sha }: { url: string; token: string; repo: string; sha: string },
  dir: string,
  { env, signal }: { readonly env: Env; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const gitDir = join(dir, "fetched.git");
  await mkdir(dir, { recursive: true });
  const format = sha.length === 64 ? "sha256" : "sha1";
  for (const folder of [gitDir, join(gitDir, "source")]) {
    const init = ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`, folder];
    await git(init, { cwd: dir, env, signal });
  }
  await mkdir(join(gitDir, "info"), { recursive: true });
  await writeFile(join(gitDir, "info", "attributes"), "* -export-ignore -export-subst\n");
  await mkdir(join(gitDir, "source", "objects", "info"), { recursive: true });
  await writeFile(join(gitDir, "source", "objects", "info", "alternates"), "../../objects\n");
  const remote = `${url}/git/${repo}.git`;
  const args = [
    "fetch",
    "--quiet",
    "--no-write-fetch-head",
    remote,
    sha,
    "+refs/tags/*:refs/tags/*",
  ];
  const access = { ...env, ...gitAccess(remote, token), GIT_DIR: gitDir };
  const fetched = await tryGit(args, { cwd: gitDir, env: access, signal });
  return fetched === undefined ? undefined : gitDir;
}
