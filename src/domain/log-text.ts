/* oxlint-disable no-control-regex -- control characters are what this file is about */

/**
 * Escape sequences of terminals: colours and cursor moves, titles and other strings, the short ones.
 * No two parts of a sequence share characters, so hostile text takes no longer than any other.
 */
const ESCAPES =
  /[\u001b\u009b](?:\[|(?<=\u009b))[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\n\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;

/** What is left of them when they are cut off, and whatever else no reader sees. */
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** Plain text of what a command printed to a terminal. Line ends and tabs stay. */
export function stripAnsi(text: string): string {
  return text.replace(ESCAPES, "").replace(CONTROLS, "");
}

/** A line as it stood last on the screen: after a carriage return it is written over. */
export function lastState(line: string): string {
  const end = line.endsWith("\r") ? line.length - 1 : line.length;
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}

/** Cuts on a whole character, with a mark. */
export function cutText(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  return `${text.slice(0, charactersMax - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}
