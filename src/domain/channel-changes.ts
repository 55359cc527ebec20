import { distOf, mainTargetOf } from "./channel.ts";
import { compareEvr } from "./rpm-version.ts";

/** A package as one target of a channel lists it. */
export interface ListedVersion {
  readonly target: string;
  readonly nevra: string;
  readonly name: string;
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
}

/**
 * The names that a person may mean by `hello`, `hello-1.0`, `hello-1.0-1`, `hello-1.0-1.x86_64`, a
 * NEVRA or its file name: dashes are legal in names, so the store is asked for each.
 */
export function namesMeantBy(wish: string): readonly string[] {
  const text = withoutSuffix(wish);
  const names = [text];
  for (let end = text.lastIndexOf("-"); end > 0 && names.length < 3;) {
    names.push(text.slice(0, end));
    end = text.lastIndexOf("-", end - 1);
  }
  return names;
}

/**
 * The versions that a wish means among those of `namesMeantBy`: what is spelled out most wins, and of
 * what is left open the newest, in each target and architecture. `hello-1.0-1` means `1.el9` too.
 */
export function versionsMeantBy<T extends ListedVersion>(
  wish: string,
  candidates: readonly T[],
): readonly T[] {
  const text = withoutSuffix(wish);
  const forms: readonly ((row: T) => boolean)[] = [
    (row) => nevraSpellings(row).includes(text),
    (row) => row.name === text,
    (row) => versionReleaseSpellings(row).some((form) => `${row.name}-${form}` === text),
    (row) => versionSpellings(row).some((form) => `${row.name}-${form}` === text),
  ];
  for (const form of forms) {
    const found = candidates.filter(form);
    if (found.length > 0) return newestEach(found);
  }
  return [];
}

function withoutSuffix(wish: string): string {
  return wish.trim().replace(/\.rpm$/, "");
}

/** With and without the epoch: file names do not have it. */
function nevraSpellings({ name, epoch, version, release, arch }: ListedVersion): readonly string[] {
  const rest = `${version}-${release}.${arch}`;
  return [`${name}-${epoch}:${rest}`, `${name}-${rest}`];
}

function versionReleaseSpellings(row: ListedVersion): readonly string[] {
  const dist = distOf(mainTargetOf(row.target));
  const bare = row.release.endsWith(dist) ? row.release.slice(0, -dist.length) : row.release;
  return versionSpellings(row).flatMap((form) => [`${form}-${row.release}`, `${form}-${bare}`]);
}

function versionSpellings({ epoch, version }: ListedVersion): readonly string[] {
  return [version, `${epoch}:${version}`];
}

/** Of each target, name and architecture the newest; of those that compare as equal all. */
export function newestEach<T extends ListedVersion>(rows: readonly T[]): readonly T[] {
  return [...Map.groupBy(rows, placeOf).values()].flatMap((group) => {
    const [newest] = group.toSorted((a, b) => compareEvr(b, a));
    return group.filter((row) => newest !== undefined && compareEvr(row, newest) === 0);
  });
}

/** What a host with one target sees as versions of one thing. */
function placeOf({ target, name, arch }: ListedVersion): string {
  return `${target} ${name}.${arch}`;
}

/** One package that a change lists, or no longer lists. */
export interface ChangeLine {
  readonly target: string;
  readonly nevra: string;
  /** The newest by this name and architecture before; null: none, or the line is not what hosts see. */
  readonly replaces: string | null;
  /** The newest by this name and architecture afterwards; null: none. */
  readonly leaves: string | null;
}

export interface WorkedOut {
  readonly add: readonly ChangeLine[];
  readonly remove: readonly ChangeLine[];
  readonly warnings: readonly string[];
}

/**
 * What a change of one channel means for hosts. `before` holds every listed version of the names
 * concerned; what is listed already is not added, what is not listed is not removed.
 */
export function workOut(change: {
  readonly channel: string;
  readonly before: readonly ListedVersion[];
  readonly add: readonly ListedVersion[];
  readonly remove: readonly ListedVersion[];
}): WorkedOut {
  const { channel, before } = change;
  const listed = new Set(before.map(keyOf));
  const add = unique(change.add).filter((row) => !listed.has(keyOf(row)));
  const remove = unique(change.remove).filter((row) => listed.has(keyOf(row)));
  const removed = new Set(remove.map(keyOf));
  const after = [...before.filter((row) => !removed.has(keyOf(row))), ...add];
  const was = newestByPlace(before);
  const is = newestByPlace(after);

  const line = (row: ListedVersion): ChangeLine => {
    const [old, next] = [was.get(placeOf(row)), is.get(placeOf(row))];
    const isSeen = row.nevra === old?.nevra || row.nevra === next?.nevra;
    return {
      target: row.target,
      nevra: row.nevra,
      replaces: isSeen && old !== undefined && old.nevra !== row.nevra ? old.nevra : null,
      leaves: next?.nevra ?? null,
    };
  };
  return {
    add: add.map(line),
    remove: remove.map(line),
    warnings: [
      ...new Set([
        ...add.flatMap((row) => warningsAbout(row, was.get(placeOf(row)), channel)),
        ...remove.flatMap((row) => warningAboutHosts(row, was.get(placeOf(row)), channel)),
      ]),
    ],
  };
}

function warningsAbout(
  row: ListedVersion,
  old: ListedVersion | undefined,
  channel: string,
): readonly string[] {
  if (old === undefined) return [];
  if (compareEvr(row, old) < 0) {
    return [
      `${row.nevra} is older than ${old.nevra} in ${channel}: hosts will not move to it by themselves.`,
    ];
  }
  if (row.epoch === old.epoch) return [];
  return [
    `${row.nevra} raises the epoch of ${old.nevra} in ${channel}: later versions need it for ever.`,
  ];
}

/** Only of what hosts may have installed because it was the newest. */
function warningAboutHosts(
  row: ListedVersion,
  old: ListedVersion | undefined,
  channel: string,
): readonly string[] {
  if (row.nevra !== old?.nevra || row.arch === "src") return [];
  return [
    `Hosts that have ${row.nevra} from ${channel} keep it until \`dnf distro-sync\` or \`dnf downgrade ${row.name}\`.`,
  ];
}

function newestByPlace(rows: readonly ListedVersion[]): ReadonlyMap<string, ListedVersion> {
  const newest = new Map<string, ListedVersion>();
  for (const row of rows) {
    const known = newest.get(placeOf(row));
    if (known === undefined || compareEvr(row, known) > 0) newest.set(placeOf(row), row);
  }
  return newest;
}

function unique(rows: readonly ListedVersion[]): readonly ListedVersion[] {
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()];
}

function keyOf({ target, nevra }: ListedVersion): string {
  return `${target} ${nevra}`;
}
