import { compareRpmVersions } from "../../domain/rpm-version.ts";
import { isPrimaryPath } from "./package-xml.ts";
import type { Relation, RpmPackage } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";

const LIBC = "libc.so.6";
/** Versions of libc's symbols are short; comparing them is linear in this. */
const LIBC_VERSION_MAX = 256;
/** SUSE's first kind of weak relation: a requirement that may be missing. */
const MISSING_OK = 1 << 19;

/**
 * The relations of a package that are written, as createrepo_c 0.17 selects them: none whose epoch
 * is no number, and of the requirements none that rpm itself or the package meets, no repetition,
 * and of all versions of libc's symbols the highest, at the end.
 */
export function writtenRelations(rpm: RpmPackage): RpmPackage["relations"] {
  const { provides, conflicts, obsoletes, suggests, enhances, recommends, supplements } =
    rpm.relations;
  const { requires, missingOk } = writtenRequires(rpm);
  return {
    provides: provides.filter(hasGoodEpoch),
    requires,
    conflicts: conflicts.filter(hasGoodEpoch),
    obsoletes: obsoletes.filter(hasGoodEpoch),
    suggests: suggests.filter(hasGoodEpoch),
    enhances: enhances.filter(hasGoodEpoch),
    recommends: [...missingOk, ...recommends.filter(hasGoodEpoch)],
    supplements: supplements.filter(hasGoodEpoch),
  };
}

function hasGoodEpoch({ evr, epoch }: Relation): boolean {
  return evr === "" || epoch !== undefined;
}

interface WrittenRequires {
  readonly requires: readonly Relation[];
  readonly missingOk: readonly Relation[];
}

function writtenRequires(rpm: RpmPackage): WrittenRequires {
  const isMet = metBy(rpm);
  const latest = new Map<string, Relation>();
  const requires: Relation[] = [];
  const missingOk: Relation[] = [];
  let libc: LibcRelation | undefined;
  for (const relation of rpm.relations.requires) {
    const { name, flags } = relation;
    const isWritten = hasGoodEpoch(relation) && !isMet(relation);
    if (!isWritten || isSame(latest.get(name), relation)) continue;
    if ((flags & MISSING_OK) !== 0) {
      missingOk.push(relation);
    } else if (name.startsWith(LIBC)) {
      libc = higherLibc(libc, { relation, ...libcSymbol(name) });
    } else {
      latest.set(name, relation);
      requires.push(relation);
    }
  }
  return { requires: libc === undefined ? requires : [...requires, libc.relation], missingOk };
}

/** By rpm itself, by a file that primary lists, or by a relation that says the very same. */
function metBy({ relations, files }: RpmPackage): (relation: Relation) => boolean {
  const provided = new Set(relations.provides.map(identity));
  const paths = new Set(files.map(({ path }) => path).filter(isPrimaryPath));
  return (relation) => {
    const { name } = relation;
    const isOwnPath = name.startsWith("/") && paths.has(name);
    return name.startsWith("rpmlib(") || isOwnPath || provided.has(identity(relation));
  };
}

function identity({ name, comparison, evr }: Relation): string {
  return [name, comparison, evr].join("\0");
}

function isSame(a: Relation | undefined, b: Relation): boolean {
  return a?.comparison === b.comparison && a.evr === b.evr && a.isPre === b.isPre;
}

interface LibcSymbol {
  readonly rank: number;
  readonly version: string;
}

type LibcRelation = LibcSymbol & { readonly relation: Relation };

function higherLibc(known: LibcRelation | undefined, next: LibcRelation): LibcRelation {
  if (known === undefined || next.rank > known.rank) return next;
  const isHigher = next.rank === known.rank && compareRpmVersions(next.version, known.version) > 0;
  return isHigher ? next : known;
}

/** `libc.so.6` < `libc.so.6(` < `libc.so.6()` < `libc.so.6(no digits)` < `libc.so.6(GLIBC_2.4)`. */
function libcSymbol(name: string): LibcSymbol {
  const open = name.indexOf("(");
  if (open < 0) return { rank: 0, version: "" };
  const close = name.indexOf(")", open);
  if (close < 0) return { rank: 1, version: "" };
  if (close === open + 1) return { rank: 2, version: "" };
  const digit = name.slice(open + 1, close).search(/\d/);
  if (digit < 0) return { rank: 3, version: "" };
  const version = name.slice(open + 1 + digit, close);
  if (version.length > LIBC_VERSION_MAX) {
    throw new RpmRefused("MALFORMED", "The RPM requires a version of libc that cannot be.");
  }
  return { rank: 4, version };
}
