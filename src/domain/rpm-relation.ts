import { compareRpmVersions } from "./rpm-version.ts";

/**
 * One dependency of a package: what it requires, provides, conflicts with or obsoletes. `flags` are
 * the bits of the header (`RPMSENSE_…`), `evr` is `[epoch:]version[-release]` or empty.
 */
export interface RpmRelation {
  readonly name: string;
  readonly flags: number;
  readonly evr: string;
}

const LESS = 2;
const GREATER = 4;
const EQUAL = 8;
const SENSE = LESS | GREATER | EQUAL;

/**
 * Do two relations mean a common version of the same name? It is what decides whether a Provides
 * satisfies a Requires, and whether a Conflicts or an Obsoletes hits (rpm's `rpmdsCompare`). A side
 * that says no version means all of them.
 */
export function relationsMeet(a: RpmRelation, b: RpmRelation): boolean {
  return a.name === b.name && rangesMeet(a, b);
}

export type VersionRange = Pick<RpmRelation, "flags" | "evr">;

/** The same without the names. */
export function rangesMeet(a: VersionRange, b: VersionRange): boolean {
  if (!isVersioned(a) || !isVersioned(b)) return true;
  const order = compareRanges(parseEvr(a.evr), parseEvr(b.evr));
  if (order === "both") return true;
  if (order < 0) return (a.flags & GREATER) !== 0 || (b.flags & LESS) !== 0;
  if (order > 0) return (a.flags & LESS) !== 0 || (b.flags & GREATER) !== 0;
  return (a.flags & b.flags & SENSE) !== 0;

  /** Where one side alone has no release and includes its version, it means every release of it. */
  function compareRanges(left: ParsedEvr, right: ParsedEvr): number | "both" {
    const order =
      compareRpmVersions(left.epoch, right.epoch) ||
      compareRpmVersions(left.version, right.version);
    if (order !== 0) return order;
    if (left.release !== "" && right.release !== "")
      return compareRpmVersions(left.release, right.release);
    const takesLeft = right.release === "" && left.release !== "" && (b.flags & EQUAL) !== 0;
    const takesRight = left.release === "" && right.release !== "" && (a.flags & EQUAL) !== 0;
    return takesLeft || takesRight ? "both" : 0;
  }
}

export function isVersioned({ flags, evr }: VersionRange): boolean {
  return (flags & SENSE) !== 0 && evr !== "";
}

interface ParsedEvr {
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
}

/** As rpm's `rpmverParse`: the epoch is digits before a colon, the release follows the last hyphen. */
function parseEvr(evr: string): ParsedEvr {
  const [epochAndColon = ""] = /^\d*:/.exec(evr) ?? [];
  const rest = evr.slice(epochAndColon.length);
  const hyphen = rest.lastIndexOf("-");
  return {
    epoch: epochAndColon.slice(0, -1) || "0",
    version: hyphen < 0 ? rest : rest.slice(0, hyphen),
    release: hyphen < 0 ? "" : rest.slice(hyphen + 1),
  };
}

/** `libgreet >= 2`, as a spec file writes it; a rich dependency is its own text. */
export function formatRelation({ name, flags, evr }: RpmRelation): string {
  if (!isVersioned({ flags, evr })) return name;
  const less = (flags & LESS) === 0 ? "" : "<";
  const greater = (flags & GREATER) === 0 ? "" : ">";
  const equal = (flags & EQUAL) === 0 ? "" : "=";
  return `${name} ${less}${greater}${equal} ${evr}`;
}

/** What rpm itself can do, such as `rpmlib(CompressedFileNames)`: no package provides it. */
export function isRpmlib({ name }: RpmRelation): boolean {
  return name.startsWith("rpmlib(");
}

export function isRich({ name }: RpmRelation): boolean {
  return name.startsWith("(");
}

const SIGNS: ReadonlyMap<string, number> = new Map([
  ["<", LESS],
  ["<=", LESS | EQUAL],
  ["=<", LESS | EQUAL],
  ["=", EQUAL],
  ["==", EQUAL],
  [">=", GREATER | EQUAL],
  ["=>", GREATER | EQUAL],
  [">", GREATER],
]);

/** The bits of a comparison sign; undefined for what is none. */
export function senseOf(sign: string): number | undefined {
  return SIGNS.get(sign);
}
