import { patternProblem } from "../domain/patterns.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";
import { withoutTemplates } from "./pipeline-templates.ts";

/** Why the text is no pattern, or undefined. */
export function patternMistake(written: string): Finding | undefined {
  const text = withoutTemplates(written);
  if (text.replace(/^!/, "").trim() === "") {
    const message = `${quoted(written)} matches nothing`;
    return { code: "PATTERN_INVALID", message, hint: "name a file, a folder, a branch or a tag" };
  }
  const message = patternProblem(text);
  if (message === undefined) return undefined;
  return { code: "PATTERN_INVALID", message, hint: repaired(written, message) };
}

function repaired(written: string, message: string): string {
  if (message.startsWith('"["')) return quoted(`${written}]*`);
  return message.startsWith('"{"') ? quoted(`${written}}`) : "write the patterns as a list";
}
