import type { Env } from "../../shared/config.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { gitAccess } from "./fetch-commit.ts";
import { git } from "./git-command.ts";

export interface TryPush {
  readonly url: string;
  readonly token: string;
  readonly repo: string;
  readonly gitDir: string;
  readonly sha: string;
  readonly ref: string;
  readonly steps: readonly string[];
  readonly isFresh: boolean;
}

/** Sends the commit to the server's own remote, whatever forge the repo is at. */
export async function pushTry(
  { url, token, repo, gitDir, sha, ref, steps, isFresh }: TryPush,
  { env, signal }: { readonly env: Env; readonly signal: AbortSignal },
): Promise<void> {
  const remote = `${url}/git/${repo}.git`;
  const wishes = [
    ...(steps.length > 0 ? [`steps=${steps.join(",")}`] : []),
    ...(isFresh ? ["fresh"] : []),
  ];
  const args = ["push", "--quiet", ...wishes.map((wish) => `--push-option=${wish}`)];
  await git([...args, "--end-of-options", remote, `${sha}:${ref}`], {
    cwd: gitDir,
    env: { ...env, ...gitAccess(remote, token), GIT_DIR: gitDir },
    signal,
  }).catch((err: unknown) => {
    throw explained(err, url);
  });
}

function explained(err: unknown, url: string): unknown {
  if (!(err instanceof CommandError)) return err;
  const { message } = err;
  if (/ 403|401|Authentication failed|may not push|could not read Username/.test(message)) {
    return new CommandError(EXIT.notFound, `${url} does not let you push.`, "set TATARA_TOKEN");
  }
  if (
    /Failed to connect|Could not resolve host|Connection refused|unable to access/.test(message)
  ) {
    return new CommandError(
      EXIT.unreachable,
      `No server takes the files at ${url}.`,
      message.split("\n")[0],
    );
  }
  const said = message
    .split("\n")
    .flatMap((line) => /^remote: (.+)$/.exec(line)?.[1]?.trim() ?? []);
  return said.length === 0 ? err : new CommandError(EXIT.failed, said.join("\n"));
}
