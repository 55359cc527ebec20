import { open } from "node:fs/promises";
import { isTargetName } from "../../src/domain/channel.ts";
import { UserFault } from "../../src/domain/faults.ts";
import { rpmFileName } from "../../src/domain/nevra.ts";
import type { Nevra } from "../../src/domain/nevra.ts";
import type { FetchedPackage } from "./fetch-packages.ts";
import { isSigned, NotAnRpm, readRpmHead } from "./rpm-file.ts";
import { runConfined } from "./run-command.ts";

/** An unsigned RPM that is what it claims to be. */
export interface InspectedPackage extends FetchedPackage {
  readonly nevra: Nevra;
  readonly summary: string;
  readonly license: string;
  /** Where it is listed: the job's target, or its `-source` or `-debug` sibling. */
  readonly target: string;
}

interface Facts {
  readonly nevra: Nevra;
  readonly summary: string;
  readonly license: string;
}

const READ_TIMEOUT_MS = 120_000;
const TEXT_MAX = 1_000;
const HINT = "Look at what the package step wrote; Tatara publishes RPMs as rpmbuild makes them.";

/** Quoted as for a shell, so that no text in a header can look like the next field. */
const QUERY = [
  "%{NAME:shescape}",
  "%{EPOCHNUM}",
  "%{VERSION:shescape}",
  "%{RELEASE:shescape}",
  "%{ARCH:shescape}",
  "%|SOURCEPACKAGE?{1}:{0}|",
  "%|NOSOURCE?{1}:{%|NOPATCH?{1}:{0}|}|",
  "%{LICENSE:shescape}",
  "%{SUMMARY:shescape}",
].join(" ");
const FIELDS = 9;
const FIELD = /'((?:[^']|'\\'')*)'|(\d+)/y;

/** Reads the headers in a child without rights and refuses what is wrong; all refusals at once. */
export async function inspectPackages(
  packages: readonly FetchedPackage[],
  signal: AbortSignal,
): Promise<readonly InspectedPackage[]> {
  const problems: string[] = [];
  const rpms = await keep(packages, problems, findHeadProblem);
  const [facts, intact] = await Promise.all([readFacts(rpms, signal), findIntact(rpms, signal)]);
  const inspected = rpms.flatMap((rpm, i) => {
    const found = facts[i];
    const why = intact[i] === true ? findFactProblem(rpm, found) : "its digests do not hold";
    if (why !== undefined) problems.push(`${rpm.built.fileName}: ${why}`);
    if (why !== undefined || found === undefined) return [];
    return [{ ...rpm, ...found, target: listedTarget(rpm.built.target, found.nevra) }];
  });
  if (problems.length === 0) return inspected;
  throw new UserFault("PACKAGE_INVALID", problems.join("\n"), { hint: HINT });
}

async function keep(
  packages: readonly FetchedPackage[],
  problems: string[],
  findProblem: (rpm: FetchedPackage) => Promise<string | undefined>,
): Promise<readonly FetchedPackage[]> {
  const found = await Promise.all(packages.map(findProblem));
  return packages.filter(({ built }, i) => {
    const why = found[i];
    if (why !== undefined) problems.push(`${built.fileName}: ${why}`);
    return why === undefined;
  });
}

/** What can be seen without parsing: the bounds come before any other program reads the file. */
async function findHeadProblem({ path, built }: FetchedPackage): Promise<string | undefined> {
  if (!isTargetName(built.target)) return `there is no target "${built.target.slice(0, 100)}"`;
  try {
    const head = await readRpmHead(path);
    // Whoever signs answers for the content; two signers would leave that open.
    return isSigned(head) ? "it is signed already, and Tatara signs packages itself" : undefined;
  } catch (err) {
    if (err instanceof NotAnRpm) return err.message;
    throw err;
  }
}

function findFactProblem({ built }: FetchedPackage, facts: Facts | undefined): string | undefined {
  if (facts === undefined) return "rpm cannot read its header";
  const { nevra } = facts;
  const name = rpmFileName(nevra);
  if (name !== built.fileName) return `its header says that it is ${name.slice(0, 300)}`;
  const wanted = built.target.split(".")[1] ?? "";
  if ([wanted, "noarch", "src", "nosrc"].includes(nevra.arch)) return undefined;
  return `it is for ${nevra.arch}, the target ${built.target} is not`;
}

/** Source and debug packages have sibling targets, so that hosts do not load their metadata. */
function listedTarget(target: string, { name, arch }: Nevra): string {
  if (arch === "src" || arch === "nosrc") return `${target}-source`;
  return /-debug(?:info|source)(?:-common)?$/.test(name) ? `${target}-debug` : target;
}

async function readFacts(
  rpms: readonly FetchedPackage[],
  signal: AbortSignal,
): Promise<readonly (Facts | undefined)[]> {
  const query = ["--query", "--package", "--nomanifest", "--nosignature", "--nodigest"];
  const args = [...query, "--queryformat", `${QUERY}\n`];
  return await togetherOrAlone(rpms, async (some) => {
    const { code, stdout } = await runRpm("rpm", args, some, signal);
    const records = parseRecords(stdout.toString("utf8"));
    return code === 0 && records?.length === some.length ? records : undefined;
  });
}

async function findIntact(
  rpms: readonly FetchedPackage[],
  signal: AbortSignal,
): Promise<readonly (boolean | undefined)[]> {
  const args = ["--checksig", "--nosignature"];
  return await togetherOrAlone(rpms, async (some) => {
    const { code } = await runRpm("rpmkeys", args, some, signal);
    return code === 0 ? some.map(() => true) : undefined;
  });
}

/** One child for all; if it refuses, one for each says which file was to blame. */
async function togetherOrAlone<T>(
  rpms: readonly FetchedPackage[],
  ask: (some: readonly FetchedPackage[]) => Promise<readonly T[] | undefined>,
): Promise<readonly (T | undefined)[]> {
  if (rpms.length === 0) return [];
  const together = await ask(rpms);
  if (together !== undefined) return together;
  const answers: (T | undefined)[] = [];
  for (const rpm of rpms) answers.push((await ask([rpm]))?.[0]);
  return answers;
}

/** The child gets open files: it may not be allowed to walk to where they are. */
async function runRpm(
  program: "rpm" | "rpmkeys",
  args: readonly string[],
  rpms: readonly FetchedPackage[],
  signal: AbortSignal,
) {
  const files = await Promise.all(rpms.map(({ path }) => open(path, "r")));
  try {
    const names = files.map((_, i) => `/proc/self/fd/${i + 3}`);
    const options = { timeoutMs: READ_TIMEOUT_MS, files: files.map(({ fd }) => fd) };
    const keyring = ["--define", "_keyring fs", "--define", "_keyringpath /nonexistent"];
    return await runConfined(program, [...keyring, ...args, ...names], options, signal);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Undefined if any record is not what the query format writes. */
export function parseRecords(text: string): readonly Facts[] | undefined {
  const records: Facts[] = [];
  FIELD.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    const fields: string[] = [];
    for (let i = 0; i < FIELDS; i += 1) {
      FIELD.lastIndex = at;
      const found = FIELD.exec(text);
      if (found === null) return undefined;
      fields.push(found[1]?.replaceAll("'\\''", "'") ?? found[2] ?? "");
      at = FIELD.lastIndex + 1;
    }
    records.push(factsOf(fields));
  }
  return records;
}

function factsOf(fields: readonly string[]): Facts {
  const [name = "", epoch = "0", version = "", release = "", binaryArch = ""] = fields;
  const [isSource, hasNoSource, license = "", summary = ""] = fields.slice(5);
  const sourceArch = hasNoSource === "1" ? "nosrc" : "src";
  const arch = isSource === "1" ? sourceArch : binaryArch;
  return {
    nevra: { name, epoch: Number(epoch), version, release, arch },
    summary: oneLine(summary),
    license: oneLine(license),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim().slice(0, TEXT_MAX);
}
