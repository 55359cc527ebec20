import { placeOf, titleOf } from "./matcher.ts";
import type { LogView, Match, MatchPlace, Matcher } from "./matcher.ts";

/** bash: `scripts/pack.sh: line 5: yq: command not found`; dash: `scripts/pack.sh: 4: yq: not found`. */
const SAID = /^([^\s:][^:]{0,300}): (?:line )?(\d{1,7}): (.{1,400})$/;
const MESSAGE =
  /(?:command not found|: not found|No such file or directory|Permission denied|Is a directory|unbound variable|parameter not set|parameter null or not set|yntax error.{0,200}|bad substitution|unexpected EOF.{0,100}|cannot open .{1,200}|cannot create .{1,200}|arithmetic expression.{0,100}|Bad substitution|Argument list too long|Exec format error|bad option.{0,60}|Illegal .{0,60}|numeric argument required|cannot execute.{0,100}|: cd: .{1,200}|readonly variable|is read only|too many arguments)$/;
/** busybox and dash name the program that runs the step, not a file. */
const SHELLS = /^(?:\/(?:usr\/)?bin\/)?(?:sh|bash|dash|ash|ksh|zsh|busybox)$/;

/** What a shell says of a script, with its line. */
export const shell: Matcher = {
  tool: "shell",
  rank: "crash",
  signs: [
    "not found",
    "cd: ",
    "No such file",
    "Permission denied",
    "unbound variable",
    "not set",
    "yntax error",
    "substitution",
    "unexpected EOF",
    "cannot ",
    "directory",
    "Exec format",
    "Illegal",
    "readonly",
    "read only",
    "arguments",
    "numeric argument",
    "bad option",
    "arithmetic",
  ],
  find(log) {
    const at = log.lines.findLastIndex((line) => SAID.test(line) && MESSAGE.test(line));
    return at === -1 ? undefined : matchOf(log, at);
  },
};

function matchOf(log: LogView, at: number): Match {
  const parts = SAID.exec(log.lines[at] ?? "") ?? [];
  const [, path = "", line, said = ""] = parts;
  const command = /^(.{1,200}?): (?:command )?not found$/.exec(said)?.[1];
  return {
    title: titleOf(command === undefined ? said : `${command}: command not found`),
    place: SHELLS.test(path) ? calledBy(log, said) : placeOf(log, path, line),
    at,
    from: Math.max(0, at - 9),
    to: at,
    end: at,
    hint: hintFor(said, command),
  };
}

/** The step's own commands have no file; what they call may be one of the repo. */
function calledBy(log: LogView, said: string): MatchPlace | null {
  const called = /^([^\s:]{1,300}): Permission denied$/.exec(said)?.[1];
  return called === undefined ? null : placeOf(log, called);
}

function hintFor(said: string, command: string | undefined): string | null {
  if (command !== undefined) return `Install ${command} in the image, or call it by its path.`;
  if (said.endsWith("Permission denied")) {
    return "If it is a program of the repo, make it executable: `git update-index --chmod=+x`.";
  }
  if (/unbound variable$|not set$/.test(said))
    return "Set it in `env`, or give it a default: `${NAME:-}`.";
  return null;
}
