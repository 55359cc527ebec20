import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { Pack } from "tar-stream";
import { UserFault } from "../../../src/domain/faults.ts";
import { adaptSpec } from "../../../src/domain/adapt-spec.ts";
import { distOf } from "../../../src/domain/channel.ts";
import type { FilesSource, SpecSource } from "../../../src/domain/pipeline.ts";
import { distFor, versionOfTag } from "../../../src/domain/rpm-version.ts";
import { writeSpec } from "../../../src/domain/spec-file.ts";
import type { PackageRequest } from "./package-types.ts";
import { appendRoot } from "./root-files.ts";
import type { PackageScripts } from "./scripts.ts";
import type { SourceTree } from "./source-tree.ts";
import { appendTree } from "../source/tree-tar.ts";

export const PACKAGE_HOME = "/tatara";
/** Unprivileged, whoever the image's own user is. */
export const BUILDER = { uid: 1000, gid: 1000 };

const INNER = `${PACKAGE_HOME.slice(1)}/in`;
const CHANGES_MAX = 10;
const SCRIPT_BYTES_MAX = 256 * 1024;

export interface InputsRequest extends PackageRequest {
  /** What the packages are built for; it decides `%dist`. */
  readonly builtFor: string;
  readonly tree: SourceTree;
  readonly scripts: PackageScripts;
  /** Sources that were downloaded: name → content. */
  readonly fetched: ReadonlyMap<string, Buffer>;
}

/** All that build.sh reads, and what the log should say about it. */
export interface Inputs {
  readonly notes: readonly string[];
  /** A tar for the container's `/`; each time from the start. */
  open(signal: AbortSignal): Readable;
}

/** Reads what must be known before the first byte is sent: the spec, and whether it is there. */
export async function prepareInputs(request: InputsRequest, signal: AbortSignal): Promise<Inputs> {
  const { source } = request.plan;
  if (source.kind === "files") {
    return {
      notes: [],
      open: (until) => tarOf((tar) => fillFromFiles(tar, source, request, until)),
    };
  }
  const text = await request.tree.readText(source.path, signal);
  if (text === undefined) throw noSpec(source.path, request.commit.shortSha);
  const { spec, notes } = adapted(text, source, request);
  return {
    notes,
    open: (until) => tarOf((tar) => fillFromSpec(tar, { source, spec }, request, until)),
  };
}

function tarOf(fill: (tar: Pack) => Promise<void>): Readable {
  const tar = pack();
  fill(tar).then(
    () => tar.finalize(),
    (err: unknown) => tar.destroy(err instanceof Error ? err : new Error(String(err))),
  );
  return Readable.from(tar, { objectMode: false });
}

/** The spec with the version and release that 13.3 asks for, and the difference. */
function adapted(
  text: string,
  { path }: SpecSource,
  { version, plan }: Pick<InputsRequest, "version" | "plan">,
): { readonly spec: string; readonly notes: readonly string[] } {
  const release = plan.release.kind === "fixed" ? plan.release.release : (version?.release ?? null);
  if (version === null && release === null) return { spec: text, notes: [] };
  const changed = adaptSpec(text, { version: version?.version ?? null, release });
  if (changed.missing.length > 0) {
    throw new UserFault("SPEC_INVALID", `${path} has no line "${changed.missing[0]}:" to change.`, {
      hint: "Write the tag in the main part of the spec, or use `version: spec`.",
      file: path,
    });
  }
  const notes = changed.diff.length === 0 ? [] : [`--- ${path}`, `+++ ${path}`, ...changed.diff];
  return { spec: changed.text, notes };
}

async function fillFromSpec(
  tar: Pack,
  { source, spec }: { readonly source: SpecSource; readonly spec: string },
  request: InputsRequest,
  signal: AbortSignal,
): Promise<void> {
  const { path } = source;
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  const name = path.slice(path.lastIndexOf("/") + 1);
  appendFolders(tar, ["", "/beside", "/tree"]);
  appendTexts(tar, request, shellFacts(request, { spec: name, hasRoot: false }));
  const beside = await request.tree.openBeside(folder, signal);
  if (beside !== undefined) {
    const start = beside.prefix === "" ? "" : `${beside.prefix}/`;
    await appendTree(tar, beside.tar, {
      ...BUILDER,
      rename: (from, type) => {
        const own = from.startsWith(start) ? from.slice(start.length) : "";
        const isFile = type !== "directory" && own !== "" && !own.includes("/");
        return isFile && own !== name ? `${INNER}/beside/${own}` : undefined;
      },
    });
  }
  for (const [file, content] of request.fetched) {
    tar.entry({ name: `${INNER}/beside/${file}`, mode: 0o644, ...BUILDER }, content);
  }
  tar.entry({ name: `${INNER}/beside/${name}`, mode: 0o644, ...BUILDER }, spec);
  // A project's archive begins at its own folder, as do all its paths.
  const { projectPath } = request;
  const above = projectPath === "" ? "" : `${projectPath}/`;
  await appendTree(tar, request.commit.openSource(signal, projectPath), {
    ...BUILDER,
    rename: (from) =>
      from.startsWith(above) ? `${INNER}/tree/${from.slice(above.length)}` : undefined,
  });
}

async function fillFromFiles(
  tar: Pack,
  source: FilesSource,
  request: InputsRequest,
  signal: AbortSignal,
): Promise<void> {
  const { version, tree, plan, commit, builtFor } = request;
  if (version === null) throw new Error("A package without a spec has no version.");
  const name = `${source.name}.spec`;
  appendFolders(tar, ["", "/beside", "/root"]);
  appendTexts(tar, request, shellFacts(request, { spec: name, hasRoot: true }));
  const options = { tree, folder: `${INNER}/root`, ...BUILDER };
  const files = await appendRoot(tar, source, options, signal);
  const spec = writeSpec({
    source,
    scripts: await readScripts(source, tree, signal),
    files,
    version: version.version,
    release: version.release ?? "1%{?dist}",
    target: builtFor,
    isNoarch: plan.isNoarch,
    changes: {
      subjects: await commit.subjects(CHANGES_MAX, signal),
      authorName: commit.authorName,
      committedAtSeconds: commit.committedAtSeconds,
    },
  });
  tar.entry({ name: `${INNER}/beside/${name}`, mode: 0o644, ...BUILDER }, spec);
}

async function readScripts(
  { scripts }: FilesSource,
  tree: SourceTree,
  signal: AbortSignal,
): Promise<FilesSource["scripts"]> {
  const texts: Partial<Record<keyof typeof scripts, string>> = {};
  for (const [name, path] of Object.entries(scripts)) {
    const text = await tree.readText(path, signal);
    if (text === undefined) {
      throw new UserFault("FILE_MISSING", `package.scripts names what is not there: ${path}`, {
        hint: "Correct the path, or let `package.run` make the file.",
        file: ".tatara.yml",
      });
    }
    texts[name as keyof typeof scripts] = text.slice(0, SCRIPT_BYTES_MAX);
  }
  return texts;
}

function appendFolders(tar: Pack, names: readonly string[]): void {
  const folder = (name: string) => tar.entry({ name, type: "directory", mode: 0o755, ...BUILDER });
  folder(PACKAGE_HOME.slice(1));
  for (const name of names) folder(INNER + name);
}

function appendTexts(tar: Pack, { scripts }: InputsRequest, facts: string): void {
  const text = (name: string, content: string) =>
    tar.entry({ name: `${INNER}/${name}`, mode: 0o644, ...BUILDER }, content);
  text("build.sh", scripts.build);
  text("rpmlint.toml", scripts.lintProfile);
  text("facts", facts);
}

/** What build.sh must know, as shell assignments, and its function `with_own_macros`. */
function shellFacts(
  { plan, commit, version, builtFor }: InputsRequest,
  { spec, hasRoot }: { readonly spec: string; readonly hasRoot: boolean },
): string {
  const { source, release, lint } = plan;
  const distOn = (versionTagOnCommit: boolean) =>
    distFor({ target: builtFor, versionTagOnCommit, commitCount: commit.count, sha: commit.sha });
  // Only a spec that keeps its own version needs the number of commits to be newer each time.
  const isCounted = version === null && release.kind === "auto";
  const dist = isCounted ? distOn(false) : distOf(builtFor);
  const facts = {
    spec,
    dist,
    dist_plain: distOn(true),
    tag_versions: commit.tags
      .map(versionOfTag)
      .filter((each) => each !== undefined)
      .join("\n"),
    warns_of_release: isCounted ? "yes" : "no",
    has_root: hasRoot ? "yes" : "no",
    fetch: source.kind === "spec" && source.fetch ? "yes" : "no",
    build: source.sourceRpm ? "-ba" : "-bb",
    lint,
  };
  const lines = Object.entries(facts).map(([name, value]) => `${name}=${shellWord(value)}`);
  const own = ownMacros(source).map(shellWord).join(" ");
  return `${lines.join("\n")}\nwith_own_macros() { "$@" ${own}; }\n`;
}

function ownMacros(source: SpecSource | FilesSource): readonly string[] {
  if (source.kind === "files") return [];
  return [
    ...Object.entries(source.define).flatMap(([name, value]) => ["--define", `${name} ${value}`]),
    ...source.with.flatMap((name) => ["--with", name]),
    ...source.without.flatMap((name) => ["--without", name]),
    ...(source.debuginfo ? [] : ["--define", "debug_package %{nil}"]),
  ];
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function noSpec(path: string, shortSha: string): UserFault {
  return new UserFault("SPEC_MISSING", `There is no file "${path}" in commit ${shortSha}.`, {
    hint: "Commit the spec file, or name the right one under `package:`.",
  });
}
