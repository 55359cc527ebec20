import type { Header } from "./header.ts";
import { byteTextsOf, decodeText, numbersOf } from "./header-values.ts";
import type { ByteText } from "./header-values.ts";
import type { Relation, RelationKind } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";

/** Tags of names, versions and flags, three lists of the same length. */
const TAGS: Readonly<Record<RelationKind, readonly [number, number, number]>> = {
  provides: [1047, 1113, 1112],
  requires: [1049, 1050, 1048],
  conflicts: [1054, 1055, 1053],
  obsoletes: [1090, 1115, 1114],
  suggests: [5049, 5050, 5051],
  enhances: [5055, 5056, 5057],
  recommends: [5046, 5047, 5048],
  supplements: [5052, 5053, 5054],
};

/** SUSE's weak relations before rpm had any: a bit says which of the two kinds it is. */
const OLD_SUGGESTS = [1156, 1157, 1158] as const;
const OLD_ENHANCES = [1159, 1160, 1161] as const;
const STRONG = 1 << 27;
const PREREQ = 1 << 6;
const SCRIPT_PRE = 1 << 9;
const SCRIPT_POST = 1 << 10;
const RELATIONS_MAX = 200_000;

export function readRelations(header: Header): Readonly<Record<RelationKind, readonly Relation[]>> {
  let left = RELATIONS_MAX;
  const read = (tags: readonly [number, number, number]): readonly Relation[] => {
    left -= header.entries.get(tags[0])?.count ?? 0;
    if (left < 0) {
      throw new RpmRefused("TOO_LARGE", `The RPM has more than ${RELATIONS_MAX} dependencies.`);
    }
    return readList(header, tags);
  };
  const oldSuggests = read(OLD_SUGGESTS);
  const oldEnhances = read(OLD_ENHANCES);
  return {
    provides: read(TAGS.provides),
    requires: read(TAGS.requires),
    conflicts: read(TAGS.conflicts),
    obsoletes: read(TAGS.obsoletes),
    suggests: [...read(TAGS.suggests), ...oldSuggests.filter((each) => !isStrong(each))],
    enhances: [...read(TAGS.enhances), ...oldEnhances.filter((each) => !isStrong(each))],
    recommends: [...read(TAGS.recommends), ...oldSuggests.filter(isStrong)],
    supplements: [...read(TAGS.supplements), ...oldEnhances.filter(isStrong)],
  };
}

function readList(
  header: Header,
  [nameTag, versionTag, flagsTag]: readonly [number, number, number],
): readonly Relation[] {
  const names = byteTextsOf(header, nameTag);
  const versions = byteTextsOf(header, versionTag);
  const flags = numbersOf(header, flagsTag);
  if (versions.length !== names.length || flags.length !== names.length) {
    throw new RpmRefused(
      "MALFORMED",
      `The RPM has ${names.length} names, ${versions.length} versions and ${flags.length} flags of one kind of dependency.`,
    );
  }
  return names.map((name, item) => relationOf(name, versions[item] ?? "", flags[item] ?? 0));
}

function relationOf(name: ByteText, evr: ByteText, flags: number): Relation {
  return {
    name: decodeText(name),
    evr: decodeText(evr),
    comparison: comparisonOf(flags),
    ...splitEvr(evr),
    isPre: (flags & (PREREQ | SCRIPT_PRE | SCRIPT_POST)) !== 0,
    flags,
  };
}

/** Less, greater and equal are the bits 1 to 3. */
function comparisonOf(flags: number): Relation["comparison"] {
  switch (flags & 0xf) {
    case 2:
      return "LT";
    case 4:
      return "GT";
    case 8:
      return "EQ";
    case 10:
      return "LE";
    case 12:
      return "GE";
    default:
      return "";
  }
}

/**
 * `[epoch:]version[-release]`, as createrepo_c splits it (`cr_str_to_evr`): the epoch is what C's
 * `strtol` reads up to the first colon, and the release begins after the first hyphen.
 */
function splitEvr(evr: ByteText): Pick<Relation, "epoch" | "version" | "release"> {
  if (evr === "") return { epoch: undefined, version: undefined, release: undefined };
  const colon = evr.indexOf(":");
  const epoch = evr.slice(0, Math.max(colon, 0)) || "0";
  const rest = evr.slice(colon + 1);
  const hyphen = rest.indexOf("-");
  const release = hyphen < 0 ? "" : rest.slice(hyphen + 1);
  return {
    epoch: /^[ \t\n\v\f\r]*[+-]?\d+$/.test(epoch) ? epoch : undefined,
    version: decodeText(hyphen < 0 ? rest : rest.slice(0, hyphen)),
    release: release === "" ? undefined : decodeText(release),
  };
}

function isStrong({ flags }: Relation): boolean {
  return (flags & STRONG) !== 0;
}
