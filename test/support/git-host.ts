import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import type { PushToTell } from "./github-deliveries.ts";
import { ZEROS } from "./github-deliveries.ts";

const run = promisify(execFile);

/** Path → content; null removes the file. A trailing `*` in the path makes it executable. */
export type Files = Readonly<Record<string, string | Buffer | null>>;

export interface CommitOptions {
  readonly message?: string;
  readonly branch?: string;
}

/** A bare repo on the forge. Each change is live at once; what it returns is what a webhook tells. */
export interface ForgeRepo {
  readonly name: string;
  readonly defaultBranch: string;
  /** Of the bare repo. */
  readonly dir: string;
  commit(files: Files, options?: CommitOptions): Promise<PushToTell>;
  /** Replaces the branch's newest commit by another one. */
  forcePush(files: Files, options?: CommitOptions): Promise<PushToTell>;
  tag(name: string, options?: { readonly annotation?: string }): Promise<PushToTell>;
  deleteRef(ref: string): Promise<PushToTell>;
  /** Pushes whatever is in another local repo: `refs/heads/main` of it, with its history. */
  pushFrom(localDir: string, ref?: string): Promise<PushToTell>;
  /** Drops commits that no ref reaches, as a forge does sooner or later. */
  forgetUnreachable(): Promise<void>;
  has(sha: string): Promise<boolean>;
}

/** No setting of the machine may change what a repo looks like. */
const GIT_ENV = {
  PATH: process.env["PATH"] ?? "",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Mona Lisa",
  GIT_AUTHOR_EMAIL: "mona@example.com",
  GIT_COMMITTER_NAME: "Mona Lisa",
  GIT_COMMITTER_EMAIL: "mona@example.com",
} as const;

export async function createRepo(
  root: string,
  name: string,
  options: { readonly files?: Files; readonly defaultBranch?: string } = {},
): Promise<ForgeRepo> {
  const { files = { "README.md": "# Hello\n" }, defaultBranch = "main" } = options;
  const dir = join(root, "repos", `${name}.git`);
  const tree = join(root, "trees", name);
  await mkdir(dirname(dir), { recursive: true });
  await git(root, "init", "--quiet", "--bare", `--initial-branch=${defaultBranch}`, dir);
  // As GitHub: any commit by its sha, and partial clones.
  await git(dir, "config", "uploadpack.allowAnySHA1InWant", "true");
  await git(dir, "config", "uploadpack.allowFilter", "true");
  await git(root, "clone", "--quiet", dir, tree);
  const repo = repoAt(dir, tree, name, defaultBranch);
  await repo.commit(files, { message: "Initial commit" });
  return repo;
}

function repoAt(dir: string, tree: string, name: string, defaultBranch: string): ForgeRepo {
  const shaOf = async (ref: string): Promise<string> =>
    (await git(dir, "rev-parse", "--quiet", "--verify", ref).catch(() => ZEROS)).trim();

  const told = async (ref: string, before: string): Promise<PushToTell> => {
    const after = await shaOf(ref);
    const facts = { repo: name, ref, before, after, defaultBranch };
    if (after === ZEROS) return { ...facts, sha: null };
    const sha = await shaOf(`${ref}^{commit}`);
    const message = await git(dir, "log", "-1", "--format=%B", sha);
    return { ...facts, sha, message: message.trim(), authorName: GIT_ENV.GIT_AUTHOR_NAME };
  };

  const commitOn = async (
    files: Files,
    { message = "Change", branch = defaultBranch }: CommitOptions,
    isForced: boolean,
  ): Promise<PushToTell> => {
    const ref = `refs/heads/${branch}`;
    const before = await shaOf(ref);
    const start = before === ZEROS ? await shaOf(`refs/heads/${defaultBranch}`) : before;
    if (start !== ZEROS) await git(tree, "fetch", "--quiet", "origin", start);
    await git(tree, "checkout", "--quiet", "--force", ...startArguments(branch, start));
    await writeFiles(tree, files);
    await git(tree, "add", "--all", "--force");
    const amend = isForced ? ["--amend"] : [];
    await git(tree, "commit", "--quiet", "--allow-empty", ...amend, "--message", message);
    await git(tree, "push", "--quiet", "--force", "origin", `HEAD:${ref}`);
    return { ...(await told(ref, before)), forced: isForced };
  };

  return {
    name,
    defaultBranch,
    dir,
    commit: (files, options = {}) => commitOn(files, options, false),
    forcePush: (files, options = {}) => commitOn(files, options, true),
    tag: async (tag, { annotation } = {}) => {
      const ref = `refs/tags/${tag}`;
      const before = await shaOf(ref);
      const words = annotation === undefined ? [] : ["--annotate", "--message", annotation];
      await git(dir, "tag", ...words, tag, defaultBranch);
      return await told(ref, before);
    },
    deleteRef: async (ref) => {
      const before = await shaOf(ref);
      await git(dir, "update-ref", "-d", ref);
      return await told(ref, before);
    },
    pushFrom: async (localDir, ref = "refs/heads/main") => {
      const before = await shaOf(ref);
      await git(localDir, "push", "--quiet", "--force", dir, `${ref}:${ref}`);
      return await told(ref, before);
    },
    forgetUnreachable: async () => {
      await git(dir, "reflog", "expire", "--expire=now", "--all");
      await git(dir, "gc", "--quiet", "--prune=now");
    },
    has: async (sha) => (await shaOf(`${sha}^{commit}`)) !== ZEROS,
  };
}

function startArguments(branch: string, start: string): readonly string[] {
  return start === ZEROS ? ["--orphan", branch] : ["-B", branch, start];
}

async function writeFiles(tree: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(tree, path.replace(/\*$/, ""));
    await mkdir(dirname(file), { recursive: true });
    if (content === null) await rm(file);
    else await writeFile(file, content, { mode: path.endsWith("*") ? 0o755 : 0o644 });
  }
}

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("git", args, { cwd, env: GIT_ENV, maxBuffer: 64 * 2 ** 20 });
  return stdout;
}

/** Serves the repos below `root` by git's own program. */
export async function serveGit(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://forge");
  const child = spawn("git", ["http-backend"], {
    env: {
      ...GIT_ENV,
      GIT_PROJECT_ROOT: join(root, "repos"),
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: withSuffix(url.pathname),
      QUERY_STRING: url.searchParams.toString(),
      REQUEST_METHOD: request.method ?? "GET",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  response.once("close", () => child.kill());
  // A client that hangs up early breaks the pipe; git notices by itself.
  const sent = pipeline(request, child.stdin).catch(() => {});
  await copyCgiAnswer(child.stdout, response);
  await sent;
}

/** `owner/name` works as well as `owner/name.git`, as on GitHub. */
function withSuffix(path: string): string {
  return path.replace(/^(\/[^/]+\/[^/]+?)(?:\.git)?(?=\/|$)/, "$1.git");
}

/** CGI: header lines, an empty line, then the body as it is. */
async function copyCgiAnswer(
  output: AsyncIterable<Buffer>,
  response: ServerResponse,
): Promise<void> {
  let head = Buffer.alloc(0);
  let isHead = true;
  for await (const chunk of output) {
    if (!isHead) {
      if (!response.write(chunk) && !response.destroyed) await once(response, "drain");
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) continue;
    isHead = false;
    writeHead(head.subarray(0, end).toString("latin1"), response);
    response.write(head.subarray(end + 4));
  }
  response.end();
}

function writeHead(head: string, response: ServerResponse): void {
  for (const line of head.split("\r\n")) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
    else if (name !== "") response.setHeader(name, value);
  }
}
