import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isSha, type ForgeName } from "../domain/push.ts";
import { gitEnv, type CommitFacts, type GitRepos } from "./git-repos.ts";

const run = promisify(execFile);
const ASK_MS = 30_000;
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** What a ref names now, asked of the repo itself. */
export interface GitHeads {
  /**
   * Undefined: there is no such ref. Throws when it could not be found out. Of a forge's commit only
   * the sha is known.
   */
  headOf(
    repo: { readonly name: string; readonly forge: ForgeName },
    ref: string,
  ): Promise<CommitFacts | undefined>;
}

export interface GitHeadsOptions {
  readonly repos: GitRepos;
  readonly path: string;
  readonly githubUrl: string;
  readonly githubReadToken: string | undefined;
}

/**
 * The own remote's refs are read from disk. Of GitHub they are asked with git itself, from the address
 * and with the credential that workers clone with, so that what is built is what can be cloned.
 */
export function openGitHeads(options: GitHeadsOptions): GitHeads {
  const { repos, githubUrl } = options;
  return {
    headOf: async ({ name, forge }, ref) => {
      if (forge === "own") return await repos.resolve(name, ref);
      const url = `${githubUrl}/${name}.git`;
      const args = ["ls-remote", "--quiet", "--", url, ref, `${ref}^{}`];
      const limits = { timeout: ASK_MS, maxBuffer: OUTPUT_BYTES_MAX };
      const { stdout } = await run("git", args, { ...limits, env: askEnv(options, url) });
      const found = new Map(
        stdout.split("\n").flatMap((row) => {
          const [sha = "", listed = ""] = row.split("\t");
          return isSha(sha) ? [[listed, sha] as const] : [];
        }),
      );
      // An annotated tag is listed twice: its own object, and the commit that it points at.
      const sha = found.get(`${ref}^{}`) ?? found.get(ref);
      return sha === undefined ? undefined : { sha, authorName: "", message: "" };
    },
  };
}

/** The credential goes by the environment: arguments can be read by everybody on the machine. */
export function askEnv(
  { path, githubReadToken }: Pick<GitHeadsOptions, "path" | "githubReadToken">,
  url: string,
): Record<string, string> {
  const env = gitEnv(path);
  const count = Number(env["GIT_CONFIG_COUNT"]);
  const settings: [string, string][] = [["http.followRedirects", "false"]];
  if (githubReadToken !== undefined) {
    const basic = Buffer.from(`x-access-token:${githubReadToken}`).toString("base64");
    settings.push([`http.${url}.extraHeader`, `Authorization: Basic ${basic}`]);
  }
  settings.forEach(([key, value], index) => {
    env[`GIT_CONFIG_KEY_${count + index}`] = key;
    env[`GIT_CONFIG_VALUE_${count + index}`] = value;
  });
  env["GIT_CONFIG_COUNT"] = String(count + settings.length);
  env["GIT_ALLOW_PROTOCOL"] = "https:http";
  return env;
}
