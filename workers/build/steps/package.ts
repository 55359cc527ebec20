import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { UserFault } from "../../../src/domain/faults.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import type { Commit } from "../source/commit.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, ContainerSpec, Engine, Image, Owner } from "../engine.ts";
import { saveRpms } from "../rpm-files.ts";
import type { RpmFile } from "../rpm-files.ts";
import { readRpmProblem } from "../rpm-log.ts";
import { appendTree } from "../source/tree-tar.ts";

const HOME = "/tatara";
/** Unprivileged, whoever the image's own user is. */
const BUILDER = { uid: 1000, gid: 1000 };
const RPMBUILD_PATHS = ["usr/bin/rpmbuild", "usr/local/bin/rpmbuild"] as const;
/** Above this many, the whole tree is read and the rest left out. */
const BESIDE_PATHS_MAX = 1_000;

/** Exit codes of package.sh beside those of rpmbuild. */
const UNUSABLE = 64;
const SPEC_UNREADABLE = 65;
const SOURCE_MISSING = 66;

export type PackageOutcome =
  | { readonly state: "passed"; readonly files: readonly RpmFile[] }
  | { readonly state: "failed"; readonly failure: StepFailure };

export interface PackageDeps {
  readonly engine: Engine;
  readonly owner: Owner;
  readonly env: Readonly<Record<string, string>>;
  readonly limits: ContainerSpec["limits"];
  /** Text of package.sh. */
  readonly script: string;
  readonly write: (chunk: Buffer) => Promise<void>;
}

export interface PackageFacts {
  /** Path of the spec file in the commit. */
  readonly spec: string;
  readonly commit: Commit;
  /** Value of %dist on an ordinary commit, and on one that is tagged with the spec's version. */
  readonly dist: string;
  readonly distWhenTagged: string;
  readonly tagVersions: readonly string[];
}

/** A container that has everything it needs and waits for its command. */
export async function preparePackage(
  facts: PackageFacts,
  image: Image,
  deps: PackageDeps,
  signal: AbortSignal,
): Promise<Container> {
  const { spec, commit } = facts;
  if (!commit.has(spec)) throw noSpec(spec, commit.shortSha);
  const container = await deps.engine.createContainer(
    {
      owner: deps.owner,
      image,
      command: ["sh", `${HOME}/in/package.sh`],
      env: { ...deps.env, LC_ALL: "C.UTF-8" },
      workingDir: "/",
      user: `${BUILDER.uid}:${BUILDER.gid}`,
      volumes: {},
      network: "none",
      privilege: "package",
      limits: deps.limits,
      gate: true,
    },
    signal,
  );
  await container.putArchive(openInputs(facts, deps.script, signal), "/", signal);
  await container.start(deps.write, signal);
  return container;
}

/** Can RPMs be built in this image? Answered by a container of it that never runs. */
export async function hasRpmbuild(
  image: Image,
  { engine, owner, limits }: PackageDeps,
  signal: AbortSignal,
): Promise<boolean> {
  const spec = { owner, image, command: ["true"], env: {}, workingDir: "/", volumes: {}, limits };
  const container = await engine.createContainer(
    { ...spec, network: "none", privilege: "package", gate: false },
    signal,
  );
  try {
    for (const path of RPMBUILD_PATHS) {
      const found = await container.getArchive(`/${path}`, signal);
      if (found === undefined) continue;
      (found as Readable).destroy();
      return true;
    }
    return false;
  } finally {
    await container.remove(signal);
  }
}

/** Waits for a container whose gate is open to have built the RPMs, and takes them out. */
export async function makePackages(
  container: Container,
  facts: PackageFacts,
  {
    dir,
    log,
    limits,
  }: {
    /** Folder for the RPMs on this worker. */
    readonly dir: string;
    readonly log: { readonly say: (line: string) => void; readonly read: () => string };
    readonly limits: ContainerSpec["limits"];
  },
  signal: AbortSignal,
): Promise<PackageOutcome> {
  const end = await container.wait(signal);
  const failure = containerFailure("package", end, limits);
  if (failure) return { state: "failed", failure: explain(failure, facts.spec, log.read()) };

  const archive = await container.getArchive(`${HOME}/out`, signal);
  const files = archive === undefined ? [] : await saveRpms(archive, dir, signal);
  for (const { fileName, sizeBytes } of files) {
    log.say(`tatara: ${fileName}, ${Math.ceil(sizeBytes / 1024)} KiB`);
  }
  if (files.length > 0) return { state: "passed", files };
  return { state: "failed", failure: noPackages(facts.spec) };
}

function openInputs(facts: PackageFacts, script: string, signal: AbortSignal): Readable {
  const tar = pack();
  fillInputs(tar, facts, script, signal).then(
    () => tar.finalize(),
    (err: unknown) => tar.destroy(err instanceof Error ? err : new Error(String(err))),
  );
  return Readable.from(tar, { objectMode: false });
}

async function fillInputs(
  tar: ReturnType<typeof pack>,
  facts: PackageFacts,
  script: string,
  signal: AbortSignal,
): Promise<void> {
  const { commit, spec } = facts;
  const inner = `${HOME.slice(1)}/in`;
  for (const name of [HOME.slice(1), inner, `${inner}/beside`, `${inner}/tree`]) {
    tar.entry({ name, type: "directory", mode: 0o755, ...BUILDER });
  }
  tar.entry({ name: `${inner}/package.sh`, mode: 0o644, ...BUILDER }, script);
  tar.entry({ name: `${inner}/facts`, mode: 0o644, ...BUILDER }, shellFacts(facts));

  const folder = spec.includes("/") ? spec.slice(0, spec.lastIndexOf("/") + 1) : "";
  const beside = besideSpec(folder, commit);
  const paths = beside.size > BESIDE_PATHS_MAX ? [] : [...beside];
  await appendTree(tar, commit.openTree(signal, paths), {
    ...BUILDER,
    rename: (name) =>
      beside.has(name) ? `${inner}/beside/${name.slice(folder.length)}` : undefined,
  });
  await appendTree(tar, commit.openSource(signal), {
    ...BUILDER,
    rename: (name) => `${inner}/tree/${name}`,
  });
}

/** Files in the spec's own folder: its sources and patches, as far as they are committed. */
function besideSpec(folder: string, commit: Commit): ReadonlySet<string> {
  const names = commit.files().filter((path) => {
    return path.startsWith(folder) && !path.slice(folder.length).includes("/");
  });
  return new Set(names);
}

function shellFacts({ spec, dist, distWhenTagged, tagVersions }: PackageFacts): string {
  const facts = {
    spec: spec.slice(spec.lastIndexOf("/") + 1),
    dist,
    dist_plain: distWhenTagged,
    tag_versions: tagVersions.join("\n"),
  };
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  return Object.entries(facts)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join("");
}

/** What rpmbuild's log, or the last word of package.sh, says about the exit code. */
function explain(failure: StepFailure, spec: string, log: string): StepFailure {
  if (failure.code !== "STEP_FAILED") return failure;
  const { exitCode } = failure;
  const ours = log
    .match(/^tatara: (?!warning)(.*)$/gm)
    ?.at(-1)
    ?.slice("tatara: ".length);
  const own = { ...failure, message: ours ?? failure.message, hint: null, file: spec };
  if (exitCode === SOURCE_MISSING) {
    return { ...own, code: "SPEC_SOURCE_MISSING", hint: "Commit the file beside the spec." };
  }
  if (exitCode === UNUSABLE) return { ...own, code: "RPM_BUILD_FAILED" };
  const problem = readRpmProblem(log, { path: spec });
  const code = exitCode === SPEC_UNREADABLE ? "SPEC_INVALID" : problem.code;
  // With a file the card shows our message; without one it looks for the user's file in the log.
  const isInLog = /^%\w+ of /.test(problem.message);
  return { ...problem, code, file: isInLog ? null : spec, exitCode };
}

function noPackages(spec: string): StepFailure {
  return {
    code: "NO_PACKAGES",
    message: `${spec} made no package.`,
    hint: "Give the spec a %files section.",
    file: spec,
    line: null,
    exitCode: null,
  };
}

function noSpec(path: string, shortSha: string): UserFault {
  return new UserFault("SPEC_MISSING", `There is no file "${path}" in commit ${shortSha}.`, {
    hint: "Commit the spec file, or name the right one under `package:`.",
  });
}
