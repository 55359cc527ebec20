import { UserFault } from "../../../src/domain/faults.ts";

export const DOCKER_IGNORE_FILE = ".dockerignore";

/** Is this path left out of the build context? Folders count like files, without a trailing `/`. */
export type IsIgnored = (path: string) => boolean;

interface Pattern {
  readonly isNegated: boolean;
  readonly regex: RegExp;
}

/**
 * Docker's own reading of `.dockerignore` (moby's patternmatcher): the last pattern that matches a
 * path or one of its folders decides. The engine applies the file only to contexts that its own
 * command line sends. What it needs itself always passes.
 */
export function readDockerIgnore(text: string, needed: readonly string[]): IsIgnored {
  const patterns = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .flatMap(readLine);
  if (patterns.length === 0) return () => false;
  const always = new Set(needed);
  return (path) => !always.has(path) && isMatched(path, patterns);
}

function readLine(line: string, index: number): readonly Pattern[] {
  if (line.startsWith("#")) return [];
  const trimmed = line.trim();
  const isNegated = trimmed.startsWith("!");
  const pattern = cleanPath((isNegated ? trimmed.slice(1) : trimmed).trim());
  if (pattern === "" && !isNegated) return [];
  const regex = pattern === "" ? undefined : toRegex(pattern);
  if (regex === undefined) throw invalidPattern(trimmed, index + 1);
  return [{ isNegated, regex }];
}

/** As Go's `filepath.Clean`, without a leading `/`. */
function cleanPath(path: string): string {
  if (path === "") return "";
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !path.startsWith("/")) parts.push(part);
  }
  return parts.join("/") || ".";
}

function isMatched(path: string, patterns: readonly Pattern[]): boolean {
  const parts = path.split("/");
  const paths = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
  let isIgnored = false;
  for (const { isNegated, regex } of patterns) {
    if (isNegated !== isIgnored) continue;
    if (paths.some((place) => regex.test(place))) isIgnored = !isNegated;
  }
  return isIgnored;
}

/** `**` is any number of folders, `*` and `?` stay within one, `\` takes the next one as it is. */
function toRegex(pattern: string): RegExp | undefined {
  let source = "^";
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at] ?? "";
    if (letter === "*" && pattern[at + 1] === "*") {
      at += pattern[at + 2] === "/" ? 2 : 1;
      source += at + 1 === pattern.length ? ".*" : "(?:.*/)?";
    } else if (letter === "*") source += "[^/]*";
    else if (letter === "?") source += "[^/]";
    else if (letter === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end === -1) return undefined;
      source += bracket(pattern.slice(at + 1, end));
      at = end;
    } else if (letter === "\\") {
      at += 1;
      source += escapeRegex(pattern[at] ?? "\\");
    } else source += escapeRegex(letter);
  }
  try {
    return new RegExp(`${source}$`, "su");
  } catch {
    // A range that runs backwards, for example.
    return undefined;
  }
}

function bracket(content: string): string {
  const isNegated = content.startsWith("^");
  const letters = (isNegated ? content.slice(1) : content).replace(/[\\[\]^]/g, "\\$&");
  return `[${isNegated ? "^" : ""}${letters}]`;
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function invalidPattern(pattern: string, line: number): UserFault {
  return new UserFault("DOCKERFILE_INVALID", `The pattern "${pattern}" cannot be read.`, {
    hint: "See https://docs.docker.com/build/concepts/context/#dockerignore-files for its syntax.",
    file: DOCKER_IGNORE_FILE,
    line,
  });
}
