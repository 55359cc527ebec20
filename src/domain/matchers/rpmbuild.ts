import { andMore, firstHit, hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Hit, LogView, Match, MatchPlace, Matcher } from "./matcher.ts";

const SUMMARY = /^(?:RPM build errors:|Child return code was)/;

/** rpmbuild's own complaints: they come first as `error:` and again below `RPM build errors:`. */
export const rpmbuild: Matcher = {
  tool: "rpmbuild",
  rank: "cause",
  signs: [
    "unpackaged",
    "File not found",
    "Failed build dependencies",
    "Directory not found",
    "Bad file",
    "Bad source",
    "is needed by",
    "error: line ",
  ],
  find(log) {
    return unpackaged(log) ?? missingFile(log) ?? dependencies(log) ?? badSource(log);
  },
};

function unpackaged(log: LogView): Match | undefined {
  const { lines } = log;
  const first = firstHit(
    lines,
    /^(?:error|warning): Installed \(but unpackaged\) file\(s\) found:$/,
  );
  if (first === undefined || !lines[first.at]?.startsWith("error")) return undefined;
  const files = listBelow(lines, first.at);
  const [file, ...rest] = files;
  return {
    title: titleOf(`built but not listed in %files: ${file?.title ?? "?"}${andMore(rest.length)}`),
    place: specPlace(log),
    at: first.at,
    from: first.at,
    to: Math.min(first.at + 19, files.at(-1)?.at ?? first.at),
    end: lines.length - 1,
    hint: "Add it to %files, or delete it in %install.",
    also: rest.slice(0, 20),
  };
}

function listBelow(lines: readonly string[], at: number) {
  const found: { readonly title: string; readonly at: number }[] = [];
  for (let index = at + 1; /^\s+\S/.test(lines[index] ?? "") && found.length < 200; index++) {
    found.push({ title: titleOf(lines[index] ?? ""), at: index });
  }
  return found;
}

function missingFile(log: LogView): Match | undefined {
  const found = hitsOf(
    log.lines,
    /^error: ((?:File|Directory) not found)(?: by glob)?: (.{1,400})$/,
  ).map(({ at, groups: [, what = "", path = ""] }) => ({
    at,
    title: titleOf(`in %files, but not built: ${inRoot(path)}`),
    what,
  }));
  const [first] = found;
  if (first === undefined) return undefined;
  return {
    title: first.title,
    place: specPlace(log),
    at: first.at,
    from: first.at,
    to: found.at(-1)?.at ?? first.at,
    end: log.lines.length - 1,
    hint: "Install it into %{buildroot} in %install, or remove its line from %files.",
    also: othersOf(found, first),
  };
}

/** Without the folder in which rpmbuild puts the package's files together. */
function inRoot(path: string): string {
  const root = /\/BUILDROOT\/[^/]{1,300}(\/.*)$|\/BUILD\/[^/]{1,300}\/BUILDROOT(\/.*)$/.exec(path);
  return root?.[1] ?? root?.[2] ?? path;
}

function dependencies(log: LogView): Match | undefined {
  const first = firstHit(log.lines, /^error: Failed build dependencies:$/);
  if (first === undefined) return undefined;
  const names = listBelow(log.lines, first.at).map(({ title, at }) => ({
    at,
    title: title.replace(/ is needed by .*$/, ""),
  }));
  const [one, ...rest] = names;
  return {
    title: titleOf(`missing BuildRequires: ${names.map(({ title }) => title).join(", ")}`),
    place: specPlace(log),
    at: first.at,
    from: first.at,
    to: Math.min(first.at + 19, rest.at(-1)?.at ?? one?.at ?? first.at),
    end: rest.at(-1)?.at ?? one?.at ?? first.at,
    hint: "Install them in the image.",
    also: rest.slice(0, 20),
  };
}

function badSource(log: LogView): Match | undefined {
  const found =
    firstHit(log.lines, /^error: (Bad (?:file|source): .{1,400})$/) ??
    firstHit(log.lines, /^error: (?:[^\s:]{1,300}: )?line (\d{1,7}): (.{1,400})$/);
  if (found === undefined) return undefined;
  const { at, groups } = found;
  const isLine = groups[2] !== undefined;
  const place = specPlace(log);
  return {
    title: titleOf(groups[2] ?? groups[1] ?? ""),
    place: isLine && place ? { ...place, line: Number(groups[1]) } : place,
    at,
    from: at,
    to: Math.min(at + 3, log.lines.length - 1),
    end: Math.max(at, lastIndex(log.lines, SUMMARY)),
  };
}

/** The spec that the command line names, if it is in the commit. Its line the log does not say. */
function specPlace(log: LogView): MatchPlace | null {
  for (const { groups } of hitsOf(log.lines, /(?:^|[\s=])([^\s=:]{1,300}\.spec)(?=[\s:]|$)/)) {
    const file = log.fileOf(groups[1] ?? "");
    if (file !== undefined) return { file, line: null };
  }
  const only = log.onlyFile(".spec");
  return only === undefined ? null : { file: only, line: null };
}

const BAD_EXIT = /^error: Bad exit status from \S{1,300} \((%\w+)\)$/;

/** A section's script ended non-zero: its last traced command is the nearest that the log knows. */
export const rpmSection: Matcher = {
  tool: "rpmbuild",
  rank: "wrapper",
  signs: ["Bad exit status from"],
  find(log) {
    const ended = firstHit(log.lines, BAD_EXIT);
    return ended && sectionOf(log, ended);
  },
};

function sectionOf(log: LogView, { at, groups: [, section = ""] }: Hit): Match {
  const { lines } = log;
  const start = lines.findLastIndex((line, index) => index < at && line.startsWith("Executing("));
  const traced = lines.findLastIndex((line, index) => index < at && /^\++ \S/.test(line));
  const isInside = traced > start && traced !== -1;
  const command = isInside ? (lines[traced] ?? "").replace(/^\++ /, "") : "";
  return {
    title: titleOf(command === "" ? `${section} failed` : `${section} failed at: ${command}`),
    place: specPlace(log),
    at: isInside ? traced : at,
    from: Math.max(0, start, at - 19),
    to: at,
    end: lines.length - 1,
  };
}
