import { firstHit, lastIndex, placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, Matcher } from "./matcher.ts";

const LINE = /^npm (?:ERR!|error)(?: (.{0,600}))?$/;
const FRAMING =
  /^(?:code|errno|syscall|path|command|lifecycle|Lifecycle|workspace|location|signal|A complete log|This is probably not|dest|file|type)\b/;

/** npm that could not install, or has no such script. A script of the package that failed is no more than repeated. */
export const npm: Matcher = {
  tool: "npm",
  rank: "cause",
  signs: ["npm ERR!", "npm error"],
  find(log) {
    const { lines } = log;
    const first = firstHit(lines, LINE);
    if (first === undefined) return undefined;
    const code = firstHit(lines, /^npm (?:ERR!|error) code (\S{1,60})$/)?.groups[1];
    const script = firstHit(lines, /^npm (?:ERR!|error) (Missing script: .{1,200})$/);
    if (code === undefined && script === undefined) return undefined;
    if (code === "ELIFECYCLE" || (code !== undefined && /^\d+$/.test(code))) return undefined;
    return matchOf(log, first.at, code);
  },
};

function matchOf(log: LogView, first: number, code: string | undefined): Match {
  const { lines } = log;
  let end = first;
  while (end + 1 < lines.length && LINE.test(lines[end + 1] ?? "")) end += 1;
  const at = Math.max(
    first,
    lines.findIndex((line, index) => index >= first && isReason(line)),
  );
  const said = sentenceAt(lines, at).replace(
    /^(?:notarget|404|enoent|notsup|ERESOLVE|network) +/,
    "",
  );
  return {
    title: titleOf(code === undefined ? said : `npm ${code}: ${said}`),
    place: placeOf(log, "package.json"),
    at,
    from: first,
    to: Math.min(end, first + 14),
    end: Math.max(end, lastIndex(lines, LINE)),
    hint: code === undefined ? null : (HINT[code] ?? null),
  };
}

/** A sentence may go over several lines. */
function sentenceAt(lines: readonly string[], at: number): string {
  const parts: string[] = [];
  for (const line of lines.slice(at, at + 4)) {
    const said = LINE.exec(line)?.[1] ?? "";
    if (said.trim() === "" || (parts.length > 0 && /^(?:notarget|404|A complete log)/.test(said)))
      break;
    parts.push(said);
    if (said.includes(". ") || said.endsWith(".")) break;
  }
  return parts
    .join(" ")
    .replace(/\. .*$/, "")
    .replace(/\.$/, "");
}

function isReason(line: string): boolean {
  const said = LINE.exec(line)?.[1] ?? "";
  return /\p{L}{3}/u.test(said) && !FRAMING.test(said) && !/^\s/.test(said);
}

const HINT: Readonly<Record<string, string>> = {
  EUSAGE: "Run `npm install` and commit package-lock.json.",
  ETARGET: "Ask for a version that exists, and commit package-lock.json.",
  ERESOLVE: "Make the versions agree in package.json.",
  EBADENGINE: "Use an image with the Node.js version that package.json asks for.",
};
