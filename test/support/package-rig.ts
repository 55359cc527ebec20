import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { PlannedPackage } from "../../src/domain/job-spec.ts";
import { DEFAULT_RESOURCES } from "../../src/domain/pipeline.ts";
import type { FilesSource, SpecSource } from "../../src/domain/pipeline.ts";
import type { Egress, Engine, Image, NetworkHandle } from "../../workers/build/engine.ts";
import { openGit } from "../../workers/build/source/git.ts";
import { openMirrors } from "../../workers/build/source/mirrors.ts";
import { readCommit } from "../../workers/build/source/commit.ts";
import type { Commit } from "../../workers/build/source/commit.ts";
import { repack } from "../../workers/build/source/tree-tar.ts";
import { builderMemory } from "../../workers/build/package/builder.ts";
import { preparePackage } from "../../workers/build/package/package-step.ts";
import type { PackageOutcome } from "../../workers/build/package/package-types.ts";
import { readPackageScripts } from "../../workers/build/package/scripts.ts";
import { readPackageVersion } from "../../workers/build/package/version.ts";
import { BASE_IMAGE, openJob, realEngine } from "./engine-rig.ts";
import { createRepo } from "./git-host.ts";
import type { Files, ForgeRepo } from "./git-host.ts";
import { startGitHttp } from "./git-http.ts";

const run = promisify(execFile);
const never = new AbortController().signal;
export const TARGET = "debian12.x86_64";

/** A plan of one package with everything that a test does not care about. */
export function aPackage(changes: Partial<PlannedPackage> = {}): PlannedPackage {
  return {
    label: "hello",
    version: { kind: "spec" },
    release: { kind: "auto" },
    run: null,
    repos: [],
    rpmbuildNetwork: false,
    lint: "warn",
    verify: null,
    source: specSource("hello.spec"),
    env: {},
    secrets: [],
    cache: null,
    network: "internet",
    timeoutMs: 300_000,
    idleTimeoutMs: 120_000,
    resources: DEFAULT_RESOURCES,
    step: "package",
    image: null,
    isTargetFixed: true,
    isNoarch: false,
    ...changes,
  };
}

export function specSource(path: string, changes: Partial<SpecSource> = {}): SpecSource {
  return {
    kind: "spec",
    path,
    define: {},
    with: [],
    without: [],
    fetch: false,
    sourceRpm: true,
    debuginfo: true,
    ...changes,
  };
}

export function filesSource(changes: Partial<FilesSource> = {}): FilesSource {
  return {
    kind: "files",
    name: "hello",
    summary: "Says hello",
    license: "MIT",
    description: "Says hello.",
    url: null,
    vendor: null,
    requires: [],
    recommends: [],
    provides: [],
    conflicts: [],
    obsoletes: [],
    scripts: {},
    users: [],
    files: [],
    sourceRpm: true,
    debuginfo: false,
    ...changes,
  };
}

export interface Packaged {
  readonly outcome: PackageOutcome;
  readonly log: string;
  /** Path of the RPM whose name matches. */
  path(fileName: RegExp): string;
}

/** The package step on this machine's Docker, with a real git host, and nothing around it. */
export interface PackageRig extends AsyncDisposable {
  repo(files: Files): Promise<ForgeRepo>;
  make(
    repo: ForgeRepo,
    plan: PlannedPackage,
    changes?: { readonly isFresh?: boolean; readonly projectPath?: string },
  ): Promise<Packaged>;
  commit(repo: ForgeRepo): Promise<Commit>;
}

export async function startPackageRig(): Promise<PackageRig> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-package-"));
  const git = await startGitHttp(dir);
  const door = openGit({ path: process.env["PATH"] ?? "" });
  const mirrors = openMirrors({ dir: join(dir, "mirrors"), git: door, httpPrefixes: [git.url] });
  const real = realEngine();
  const layers = new Map<string, Image>();
  const engine: Engine = {
    ...real,
    keepLayer: async (layer, signal) => {
      const image = await real.keepLayer(layer, signal);
      layers.set(image.id, image);
      return image;
    },
  };
  const scripts = await readPackageScripts();
  const image = await engine.findImage(BASE_IMAGE, never);
  const facts = builderMemory();
  let count = 0;

  const readHead = async (repo: ForgeRepo): Promise<Commit> => {
    const { stdout } = await run("git", ["rev-parse", "HEAD"], { cwd: repo.dir });
    const push = { sha: stdout.trim(), ref: "refs/heads/main", repo: repo.name };
    const mirror = await mirrors.fetch(
      { url: `${git.url}/${repo.name}.git`, authorization: null, ...push },
      never,
    );
    return await readCommit(door, mirror, never);
  };

  const make: PackageRig["make"] = async (repo, plan, changes = {}) => {
    const { isFresh = false, projectPath = "" } = changes;
    const commit = await readHead(repo);
    const job = openJob(engine, image);
    await using _job = job;
    const chunks: Buffer[] = [];
    count += 1;
    const out = join(dir, `rpms-${count}`);
    const networks = new Map<Egress, Promise<NetworkHandle>>();
    const version = await readPackageVersion(plan, TARGET, commit, never);
    const owner = (part: string) => job.owner(["package", part].filter(Boolean).join("."));
    const prepared = await preparePackage(
      { plan, target: TARGET, projectPath, commit, version, hasKeptFiles: false },
      {
        engine,
        owner,
        images: {
          project: image,
          planned: async () => image,
          builderOf: async () => image,
          facts,
        },
        limits: {
          memoryBytes: 2 ** 30,
          cpus: 2,
          pids: 512,
          diskBytes: 0,
          timeoutMs: 300_000,
          idleTimeoutMs: 120_000,
        },
        scripts,
        env: ({ home }) => ({
          HOME: home,
          SOURCE_DATE_EPOCH: String(commit.committedAtSeconds),
          CI: "true",
        }),
        secrets: [],
        network: (egress) => {
          const known = networks.get(egress);
          const made = known ?? engine.createNetwork(owner(`NET.${egress}`), { egress }, never);
          networks.set(egress, made);
          return made;
        },
        openWorkspace: async () => {
          const workspace = await engine.createWorkspace(
            {
              owner: owner("WORKSPACE"),
              image,
              tree: (to) => repack(commit.openTree(never), to),
              steps: ["package"],
            },
            never,
          );
          const { uid, gid, home } = workspace;
          return { volume: workspace.volumeFor("package"), uid, gid, home };
        },
        openRepos: async () => ({ files: {}, [Symbol.asyncDispose]: async () => undefined }),
        cache: null,
        isFresh,
        write: async (chunk) => void chunks.push(chunk),
        dir: out,
      },
      never,
    );
    const outcome = await prepared.build(never);
    const log = Buffer.concat(chunks).toString();
    return {
      outcome,
      log,
      path: (fileName) => {
        const files = outcome.state === "passed" ? outcome.files : [];
        const found = files.find((file) => fileName.test(file.fileName));
        if (!found) throw new Error(`No package ${String(fileName)}:\n${log.slice(-2_000)}`);
        return found.path;
      },
    };
  };

  return {
    repo: (files) => createRepo(dir, `acme/pkg-${(count += 1)}`, { files }),
    make,
    commit: readHead,
    [Symbol.asyncDispose]: async () => {
      for (const layer of [...layers.values()].toReversed()) {
        await run("docker", ["rmi", "--force", layer.id]).catch(() => undefined);
      }
      await git[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** What rpm itself says of a package file. */
export async function queryRpm(path: string, ...args: readonly string[]): Promise<string> {
  return (await run("rpm", ["-qp", "--nosignature", ...args, path])).stdout;
}

export async function specIn(path: string): Promise<string> {
  const { stdout } = await run("sh", [
    "-c",
    'rpm2cpio "$1" | cpio --quiet -i --to-stdout "*.spec"',
    "sh",
    path,
  ]);
  return stdout;
}

export async function digestOf(path: string): Promise<string> {
  const { createHash } = await import("node:crypto");
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
