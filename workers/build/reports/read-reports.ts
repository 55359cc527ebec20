import { Readable, Transform } from "node:stream";
import { extract } from "tar-stream";
import type { Header } from "tar-stream";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { ReportsMessage, TestResult } from "../../../src/shared/build-messages.ts";
import type { LookMemory } from "./look-memory.ts";
import { reportReader } from "./parse-report.ts";
import type { ReportBudget } from "./report-budget.ts";
import { looksLikeReport, namesOf, USUAL_NAMES } from "./report-names.ts";
import type { ReportNames } from "./report-names.ts";
import { gatherParts } from "./report-parts.ts";
import type { ReportParts, TestCounts } from "./report-parts.ts";
import type { SourceTree } from "./source-tree.ts";

/** Opens tars of a step's workspace, as the engine gives them: their first folder is the one asked for. */
export interface ReportFiles {
  /** Of one path, "" for the whole workspace; undefined when there is no such path. */
  openPath(path: string): Promise<NodeJS.ReadableStream | undefined>;
  /** Of what the step changed alone; undefined where the engine cannot tell. */
  openChanges(): Promise<NodeJS.ReadableStream | undefined>;
}

export interface ReadReportsOptions {
  readonly files: ReportFiles;
  /** As in the file; null: by their usual names. */
  readonly patterns: readonly string[] | null;
  /** Folder that patterns start at, "" for the root. */
  readonly projectPath: string;
  /** When the step's container started: what is older, the step did not write. */
  readonly startedAt: number;
  readonly hasPassed: boolean;
  /** Repo and step, and where it is remembered whether such a look was worth it; null: always look. */
  readonly memory: { readonly looks: LookMemory; readonly step: string } | null;
  readonly tree: SourceTree;
  readonly budget: ReportBudget;
  /** Takes each part as it is ready. */
  readonly send: (message: ReportsMessage) => void | Promise<void>;
}

export interface StepReports {
  readonly files: readonly string[];
  readonly counts: Readonly<TestCounts>;
  /** Those that failed, at most 1,000; for the failure card. */
  readonly failed: readonly TestResult[];
  readonly coverage: ReportsMessage["coverage"];
  /** For the step: nothing found, what could not be read, failed tests with exit code 0. */
  readonly warnings: readonly string[];
}

const MIB = 1024 * 1024;
/** The look for usual names gives up after so much of what the step changed. */
const LOOK_BYTES_MAX = { passed: 64 * MIB, failed: 1024 * MIB };
const NAMED_BYTES_MAX = 4096 * MIB;
/** Clocks of files count whole seconds. */
const CLOCK_SLACK_MS = 2_000;
const CANDIDATES_MAX = 5;

/**
 * Reads the reports that a step left, whatever its exit status, and sends them in parts. A hostile
 * report ends in a warning. Throws `InfraFault` when the engine cannot give the files.
 */
export async function readReports(options: ReadReportsOptions): Promise<StepReports> {
  const parts = gatherParts(options.budget, options.send);
  const isNamed = options.patterns !== null;
  const names = isNamed ? namesOf(options.patterns, options.projectPath) : USUAL_NAMES;
  const candidates = new Set<string>();
  const look = { options, names, parts, candidates };

  const { memory, hasPassed } = options;
  const isSpared =
    !isNamed && hasPassed && memory !== null && !memory.looks.isWorthALook(memory.step);
  for (const root of isSpared ? [] : names.roots) await scanRoot(look, root);
  if (!isSpared && !isNamed) memory?.looks.note(memory.step, parts.files.length > 0);
  if (isNamed && parts.files.length === 0) {
    if (!names.roots.includes("")) await scanForCandidates(look);
    parts.problem(nothingFound(options.patterns, candidates));
  }
  // A step that says nothing and left nothing costs the server nothing either.
  if (parts.files.length > 0 || parts.problems.length > 0) await parts.end();
  const { files, counts, failed, coverage } = parts;
  return { files, counts, failed, coverage, warnings: warningsOf(parts, options) };
}

interface Look {
  readonly options: ReadReportsOptions;
  readonly names: ReportNames;
  readonly parts: ReportParts;
  readonly candidates: Set<string>;
}

/** The whole workspace is never asked for where the engine knows what the step changed. */
async function scanRoot(look: Look, root: string): Promise<void> {
  const { files, patterns, hasPassed } = look.options;
  const isWhole = root === "";
  const changes = isWhole ? await files.openChanges() : undefined;
  // A plain step that passed is not worth the tar of everything.
  if (isWhole && changes === undefined && patterns === null && hasPassed) return;
  const tar = changes ?? (await files.openPath(root));
  if (tar === undefined) return;
  const usualMax = hasPassed ? LOOK_BYTES_MAX.passed : LOOK_BYTES_MAX.failed;
  const bytesMax = patterns === null ? usualMax : NAMED_BYTES_MAX;
  const isWholeRead = await scanTar(tar, root, bytesMax, (path, header, body) =>
    takeEntry(look, path, header, body),
  );
  if (!isWholeRead && (patterns !== null || look.parts.files.length > 0)) {
    look.parts.problem(
      `reports were looked for in the first ${bytesMax / MIB} MiB that the step wrote`,
    );
  }
}

async function takeEntry(
  { options, names, parts, candidates }: Look,
  path: string,
  header: Header,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const isFile = header.type === "file" || header.type === "contiguous-file";
  if (!names.isReport(path)) {
    if (isFile && candidates.size < CANDIDATES_MAX && looksLikeReport(path)) candidates.add(path);
    return;
  }
  if (!isFile) {
    const isLink = header.type === "symlink" || header.type === "link";
    if (isLink && options.patterns !== null)
      parts.problem(`${path} is a link: only files are read`);
    return;
  }
  const isOld = (header.mtime?.getTime() ?? 0) < options.startedAt - CLOCK_SLACK_MS;
  if (options.patterns === null && isOld) return;
  const sink = parts.sinkFor(path);
  const { budget, tree } = options;
  if ((header.size ?? 0) > budget.bytesLeft) {
    return sink.problem("the reports of a build may have 32 MiB: this file is left out");
  }
  budget.bytesLeft -= header.size ?? 0;
  const reader = reportReader(sink, tree);
  for await (const chunk of body) {
    reader.write(chunk);
    await parts.flush();
  }
  reader.end();
  await parts.flush();
}

async function scanForCandidates({ options, candidates }: Look): Promise<void> {
  const tar = await options.files.openChanges();
  if (tar === undefined) return;
  await scanTar(tar, "", LOOK_BYTES_MAX.passed, (path, header) => {
    const isFile = header.type === "file";
    if (isFile && candidates.size < CANDIDATES_MAX && looksLikeReport(path)) candidates.add(path);
    return Promise.resolve();
  });
}

/** Goes through a tar; false: it was longer than `bytesMax`, and the rest was not read. */
async function scanTar(
  tar: NodeJS.ReadableStream,
  root: string,
  bytesMax: number,
  take: (path: string, header: Header, body: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<boolean> {
  const source = tar instanceof Readable ? tar : Readable.from(tar, { objectMode: false });
  const limit = bounded(bytesMax);
  const entries = extract();
  let fault: unknown;
  const fail = (err: Error): void => {
    fault ??= err;
    entries.destroy(err);
  };
  source.on("error", fail);
  // One that is given up half-way says so, which must not end the process.
  tar.on("error", () => undefined);
  limit.stream.on("error", (err) => entries.destroy(err));
  source.pipe(limit.stream).pipe(entries);
  try {
    for await (const entry of entries) {
      const path = pathOf(entry.header.name, root);
      if (path !== undefined)
        await take(path, entry.header, entry as unknown as AsyncIterable<Uint8Array>);
      entry.resume();
    }
  } catch (err) {
    if (fault instanceof InfraFault) throw fault;
    const cause = { cause: err };
    if (!limit.isReached())
      throw new InfraFault("ENGINE_FAILED", "The engine's archive cannot be read.", cause);
  } finally {
    source.destroy();
  }
  return !limit.isReached();
}

class LimitReached extends Error {}

function bounded(bytesMax: number) {
  let bytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > bytesMax) done(new LimitReached());
      else done(null, chunk);
    },
  });
  return { stream, isReached: () => bytes > bytesMax };
}

/** The first folder of an archive is the path asked for, whatever the engine calls it. */
function pathOf(name: string, root: string): string | undefined {
  const rest = name.replace(/^(?:\.?\/)*[^/]+\/?/, "");
  const path = [root, rest].filter((part) => part !== "").join("/");
  return path === "" || path.endsWith("/") ? undefined : path;
}

function nothingFound(patterns: readonly string[], candidates: ReadonlySet<string>): string {
  const wanted = patterns.filter((pattern) => !pattern.startsWith("!")).join(", ");
  const found = candidates.size === 0 ? "" : `; found: ${[...candidates].join(", ")}`;
  return `no file matches ${wanted}${found}`;
}

function warningsOf({ problems, counts }: ReportParts, { hasPassed }: ReadReportsOptions) {
  const failed = counts.failed + counts.errored;
  if (!hasPassed || failed === 0) return problems;
  const tests = failed === 1 ? "1 test failed" : `${failed} tests failed`;
  return [`${tests}, and the command ended with exit code 0: the exit code decides`, ...problems];
}
