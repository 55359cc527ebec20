import { isFinal } from "../domain/states.ts";
import { compareRpms } from "../yum/rpm/compare-rpms.ts";
import type { RpmDifference } from "../yum/rpm/compare-rpms.ts";
import { readRpm } from "../yum/rpm/read-rpm.ts";
import type { ArtifactView, BuildView } from "./views.ts";

/** What came of building a commit once more. */
export interface Comparison {
  /** `unfinished`: the newer build has not passed, so there is nothing to compare. */
  readonly result: "same" | "different" | "unfinished";
  readonly packages: readonly PackageComparison[];
}

export interface PackageComparison {
  readonly fileName: string;
  readonly target: string;
  /** `unknown`: the older file is gone from the server. */
  readonly result: "same" | "different" | "missing" | "new" | "unknown";
  readonly before: string | null;
  readonly after: string | null;
  readonly differences: readonly RpmDifference[];
}

/** Bytes of an artifact on the server's disk; undefined once they are gone. */
type FindFile = (sha256: string) => Promise<{ readonly path: string } | undefined>;

/** Compares the packages of two builds of one commit by their bytes, as they were before signing. */
export async function compareBuilds(
  older: Pick<BuildView, "artifacts">,
  newer: Pick<BuildView, "artifacts" | "state">,
  findFile: FindFile,
): Promise<Comparison> {
  if (!isFinal(newer.state) || newer.state !== "passed")
    return { result: "unfinished", packages: [] };
  const before = new Map(older.artifacts.map((each) => [nameOf(each), each]));
  const after = new Map(newer.artifacts.map((each) => [nameOf(each), each]));
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const packages: PackageComparison[] = [];
  for (const name of names) {
    packages.push(await compareOne(before.get(name), after.get(name), findFile));
  }
  const isSame = packages.every(({ result }) => result === "same");
  return { result: isSame ? "same" : "different", packages };
}

function nameOf({ target, fileName }: ArtifactView): string {
  return `${target} ${fileName}`;
}

async function compareOne(
  before: ArtifactView | undefined,
  after: ArtifactView | undefined,
  findFile: FindFile,
): Promise<PackageComparison> {
  const facts = {
    fileName: (after ?? before)?.fileName ?? "",
    target: (after ?? before)?.target ?? "",
    before: before?.sha256 ?? null,
    after: after?.sha256 ?? null,
    differences: [],
  };
  if (before === undefined) return { ...facts, result: "new" };
  if (after === undefined) return { ...facts, result: "missing" };
  if (before.sha256 === after.sha256) return { ...facts, result: "same" };
  const [old, made] = await Promise.all([findFile(before.sha256), findFile(after.sha256)]);
  if (old === undefined || made === undefined) return { ...facts, result: "unknown" };
  const differences = compareRpms(await readRpm(old.path), await readRpm(made.path));
  return { ...facts, result: "different", differences };
}
