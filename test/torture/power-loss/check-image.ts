import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { glob, mkdir, readFile, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { checkChannels } from "../../../src/invariants/check-channels.ts";
import type { Look } from "../../../src/invariants/world.ts";
import { signatureChecker } from "../../../src/cli/yum/check-signature.ts";
import { isFinal } from "../../../src/domain/states.ts";
import { NEVER_MOVED } from "../invariants/pushes.ts";
import type { Violation } from "../invariants/violation.ts";
import { digestOf, pathsIn } from "./crash-image.ts";
import type { CrashImage, Kept } from "./crash-image.ts";
import type { ImageFiles } from "./image-files.ts";
import type { ImageRecords } from "./image-records.ts";
import type { Told } from "./live.ts";

const run = promisify(execFile);
const GIT_MS = 60_000;
const NOTHING = Buffer.alloc(0);
const PUBLIC_KEY = "yum/keys/tatara.asc";

export interface ImageChecks {
  /** What of `told` is not kept, and what is not whole. */
  check(
    image: CrashImage,
    records: ImageRecords,
    told: readonly Told[],
  ): Promise<readonly Violation[]>;
}

interface Parts {
  readonly files: ImageFiles;
  /** As all was when the recording ended. */
  readonly last: CrashImage;
}

/** Looks at crash images without starting anything; what it has seen before it does not look at again. */
export function imageChecks({ files, last }: Parts): ImageChecks {
  const yum = remembered((image, records) => checkYum({ files, last }, image, records));
  const git = gitReader(files);
  return {
    check: async (image, records, told) => {
      const commits = await git(image, records);
      const yumKey = [
        digestOf(image, "yum"),
        JSON.stringify([records.all("channels"), records.all("listings")]),
      ];
      return [
        ...records.problems.map((what) => broken(`the database: ${what}`)),
        ...told.flatMap((one) => checkTold(one, image, records, commits)),
        ...checkRepos(commits, records),
        ...checkUploads(image, records),
        ...checkLogs(image, records, last),
        ...checkKeys(image, records, last),
        ...(await yum(yumKey.join("\n"), image, records)),
      ];
    },
  };
}

type Check = (image: CrashImage, records: ImageRecords) => Promise<readonly Violation[]>;

function remembered(check: Check) {
  const known = new Map<string, readonly Violation[]>();
  return async (text: string, image: CrashImage, records: ImageRecords) => {
    const key = createHash("sha1").update(text).digest("hex");
    const found = known.get(key) ?? (await check(image, records));
    known.set(key, found);
    return found;
  };
}

function checkTold(
  told: Told,
  image: CrashImage,
  records: ImageRecords,
  { commits }: Commits,
): readonly Violation[] {
  switch (told.kind) {
    case "delivery": {
      const row = records.all("deliveries").find((one) => one.deliveryId === told.deliveryId);
      if (row?.buildId != null || row?.reason != null) return [];
      return [lost("a delivery was answered 2xx and is not in the database")];
    }
    case "push": {
      const built = records
        .all("builds")
        .some((build) => build.after === told.sha && build.reason !== NEVER_MOVED);
      return [
        ...(built ? [] : [lost("git said that a push was taken, and it is not in the database")]),
        ...(commits.get(told.repo)?.has(told.sha) === true
          ? []
          : [lost("git said that a push was taken, and its ref or objects are gone")]),
      ];
    }
    case "build": {
      const state = records.all("builds").find(({ id }) => id === told.id)?.state;
      return state === told.state
        ? []
        : [lost(`a build was ${told.state} and is ${state ?? "gone"}`)];
    }
    case "channel": {
      const row = records.all("channels").find(({ name }) => name === told.name);
      if (row !== undefined && row.updatedAt >= told.updatedAt) return [];
      return [lost(`a change of channel ${told.name} was told, and is taken back`)];
    }
    case "token": {
      const kept = image.get("admin-token")?.bytes().toString().trim();
      return kept === told.token ? [] : [lost("the admin token that opened the API is gone")];
    }
  }
}

interface Commits {
  /** By repo, every object that its refs lead to. */
  readonly commits: ReadonlyMap<string, ReadonlySet<string>>;
  readonly problems: readonly { readonly repo: string; readonly what: string }[];
}

/** A start takes back what a push has brought in part, if nobody was told that it was taken. */
function checkRepos({ problems }: Commits, records: ImageRecords): readonly Violation[] {
  const builds = records
    .all("builds")
    .filter(({ state, isReady }) => state === "queued" && !isReady);
  const underWay = new Set(builds.map(({ repo }) => repo));
  return problems
    .filter(({ repo, what }) => what.includes("not a git repository") || !underWay.has(repo))
    .map(({ repo, what }) => broken(`git of ${repo}: ${what}`));
}

/** What the refs of the own remote lead to once a start has been over them, read by git itself. */
function gitReader(
  files: ImageFiles,
): (image: CrashImage, records: ImageRecords) => Promise<Commits> {
  const known = new Map<string, Awaited<ReturnType<typeof readRepo>>>();
  return async (image, records) => {
    const commits = new Map<string, ReadonlySet<string>>();
    const problems: Commits["problems"][number][] = [];
    for (const path of pathsIn(image, "git")) {
      const repo = /^git\/([^/]+\/[^/]+)\.git$/.exec(path)?.[1];
      // Without it the server makes the repo anew.
      if (repo === undefined || !image.has(`${path}/HEAD`)) continue;
      const moves = untoldMoves(records, repo);
      const key = `${digestOf(image, path)} ${JSON.stringify(moves)}`;
      const found = known.get(key) ?? (await readRepo(files, image, { path, moves }));
      known.set(key, found);
      commits.set(repo, found.objects);
      if (found.problem !== "") problems.push({ repo, what: found.problem });
    }
    return { commits, problems };
  };
}

interface Move {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
}

/** Pushes that are recorded and were not told to be taken, the newest first. */
function untoldMoves(records: ImageRecords, repo: string): readonly Move[] {
  return records
    .all("builds")
    .filter((build) => build.repo === repo && build.state === "queued" && !build.isReady)
    .toSorted((one, other) => other.number - one.number)
    .map(({ ref, before, after }) => ({ ref, before, after }));
}

async function readRepo(
  files: ImageFiles,
  image: CrashImage,
  { path, moves }: { readonly path: string; readonly moves: readonly Move[] },
) {
  const concerns = (each: string): boolean => each === path || each.startsWith(`${path}/`);
  return files.readIn(image, concerns, async (folder) => {
    const dir = join(folder, path);
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", GIT_CONFIG_NOSYSTEM: "1", HOME: "/" };
    const git = (...args: readonly string[]) =>
      run("git", ["--git-dir", dir, ...args], { env, timeout: GIT_MS }).catch(
        (err: { readonly stderr?: string; readonly stdout?: string }) => ({
          stdout: err.stdout ?? "",
          stderr: err.stderr ?? "git did not end in time",
        }),
      );
    for (const move of moves) await moveBack(git, dir, move);
    const said = await git("rev-list", "--objects", "--no-object-names", "--all");
    // The list asks for the names of files alone, and not for their bytes.
    const checked = said.stderr === "" ? await git("fsck", "--full", "--no-progress") : said;
    // It also says that a branch is not born yet, and then it is content.
    const problem = checked.stderr
      .replaceAll(/^notice: .*$/gm, "")
      .replaceAll(dir, "")
      .replaceAll(/[0-9a-f]{40}/g, "…")
      .trim();
    return { objects: new Set(said.stdout.split("\n")), problem };
  });
}

type Git = (
  ...args: readonly string[]
) => Promise<{ readonly stdout: string; readonly stderr: string }>;

/** As a start does with a push that nobody was told of and that is not whole. */
async function moveBack(git: Git, dir: string, { ref, before, after }: Move): Promise<void> {
  const now = await git("rev-parse", "--verify", "--quiet", ref);
  if (now.stdout.trim() !== after) return;
  const whole = await git("rev-list", "--objects", "--quiet", ref);
  if (whole.stderr === "") return;
  for await (const lock of glob(["*.lock", "refs/**/*.lock"], { cwd: dir }))
    await rm(join(dir, lock));
  // git writes a ref as a new file, so the bytes that images share stay as they are.
  const change = /^0+$/.test(before) ? ["-d", ref] : [ref, before];
  await git("update-ref", ...change);
}

/** Files that a job's end, or a step, was answered for. */
function checkUploads(image: CrashImage, records: ImageRecords): readonly Violation[] {
  const wanted = [...records.all("artifacts"), ...records.all("keptFiles")];
  return wanted
    .filter(({ sha256 }) => {
      const kept = image.get(`artifacts/${sha256.slice(0, 2)}/${sha256}`);
      return kept === undefined || sha256Of(kept) !== sha256;
    })
    .map(() => lost("a file that a worker was told is stored is not there, or has other bytes"));
}

/** Logs of jobs that have ended do not change any more. */
function checkLogs(
  image: CrashImage,
  records: ImageRecords,
  last: CrashImage,
): readonly Violation[] {
  const ended = records.all("jobs").filter(({ state }) => isFinal(state));
  return ended.flatMap(({ buildId, id, attempt }) => {
    const cut = pathsIn(last, `logs/${buildId}/${id}/${attempt}`).filter((path) => {
      const [now, then] = [image.get(path), last.get(path)];
      return now?.key !== then?.key && now?.bytes().equals(then?.bytes() ?? NOTHING) !== true;
    });
    return cut.map(() => lost("the log of a job that has ended is cut, or gone"));
  });
}

/** What has signed a package must sign the next one too; what seals secrets must open them. */
function checkKeys(
  image: CrashImage,
  records: ImageRecords,
  last: CrashImage,
): readonly Violation[] {
  const secret = image.get("secret-key")?.bytes().toString();
  const found =
    secret === undefined || /^[0-9a-f]{64}\s*$/.test(secret)
      ? []
      : [broken("the file secret-key holds half a key, so that no server starts any more")];
  if (records.all("packages").length === 0) return found;
  const gone = pathsIn(last, "keys").filter(
    (path) =>
      /^keys\/(?:rotation\.json|private-keys-v1\.d\/.*\.key)$/.test(path) &&
      image
        .get(path)
        ?.bytes()
        .equals(last.get(path)?.bytes() ?? NOTHING) !== true,
  );
  return [...found, ...gone.map((path) => lost(`packages are signed, and ${path} is gone`))];
}

async function checkYum({ files, last }: Parts, image: CrashImage, records: ImageRecords) {
  if (records.all("channels").every(({ head }) => head === 0)) return [];
  const concerns = (path: string): boolean => path.startsWith("yum/");
  return files.readIn(image, concerns, async (folder) => {
    // The publish worker puts it there again at its start; whoever has the old one has the same.
    const key = image.get(PUBLIC_KEY)?.bytes() ?? NOTHING;
    const keys = (last.get(PUBLIC_KEY)?.bytes() ?? key).toString();
    await mkdir(join(folder, "yum", "keys"), { recursive: true });
    const look = {
      dataDir: folder,
      records: { all: records.all, [Symbol.dispose]: () => undefined },
      verifySignature: signatureOf(keys),
    };
    const findings = await checkChannels(look as unknown as Look);
    return findings.map(({ what, evidence }) =>
      broken(`I5 ${what} (${evidence.replaceAll(folder, "")})`),
    );
  });
}

const verified = new Map<string, Promise<void>>();

/** Each signature once: gpg takes longer than all the rest. */
function signatureOf(keys: string): Look["verifySignature"] {
  const check = signatureChecker(keys, new AbortController().signal);
  return async (path, signaturePath) => {
    const parts = await Promise.all([readFile(path), readFile(signaturePath)]);
    const key = createHash("sha1").update(keys).update(parts[0]).update(parts[1]).digest("hex");
    const checking = verified.get(key) ?? check(path, signaturePath);
    verified.set(key, checking);
    await checking;
  };
}

const digests = new Map<string, string>();

function sha256Of({ key, bytes }: Kept): string {
  const digest = digests.get(key) ?? createHash("sha256").update(bytes()).digest("hex");
  digests.set(key, digest);
  return digest;
}

function lost(what: string): Violation {
  return { figure: "lost", what };
}

function broken(what: string): Violation {
  return { figure: "broken", what };
}
