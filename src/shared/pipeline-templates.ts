import { nearSpelling } from "../domain/near-spelling.ts";
import type { CheckedText } from "./pipeline-checked.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";

export const GIT_TEMPLATES = ["sha", "short", "branch", "tag", "ref"] as const;

/** `${…}`, and `$${` that stands for `${` itself. What is between the braces has an end soon. */
const TEMPLATE = /\$(\$\{|\{([^{}\n]{0,200})(\}?))/g;

/** The text as if its templates held nothing special, for checks of what surrounds them. */
export function withoutTemplates(text: string): string {
  return text.includes("${") ? text.replace(TEMPLATE, "x") : text;
}

export function hasTemplate(text: string): boolean {
  return text.includes("${") && withoutTemplates(text) !== text;
}

/** A mistake inside a text: `needle` is the part to mark. */
export interface InnerFinding extends Finding {
  readonly needle: string;
}

/**
 * What is wrong with the first wrong template of the text. `variables` are those of the matrix;
 * undefined where the matrix itself was refused, so that nobody can say.
 */
export function templateMistake(
  text: CheckedText,
  variables: readonly string[] | undefined,
): InnerFinding | undefined {
  if (!text.value.includes("${")) return undefined;
  for (const [written, escape, name = "", close] of text.value.matchAll(TEMPLATE)) {
    if (escape === "${") continue;
    const mistake = close === "" ? unclosed(written) : nameMistake(name, variables);
    if (mistake !== undefined) return { ...mistake, needle: written };
  }
  return undefined;
}

function unclosed(written: string): Finding {
  const message = `${quoted(written)} is never closed`;
  return {
    code: "TEMPLATE_UNKNOWN",
    message,
    hint: "close it with `}`, or write `$${` for `${` itself",
  };
}

function nameMistake(name: string, variables: readonly string[] | undefined): Finding | undefined {
  const matrix = /^matrix\.(.*)$/.exec(name)?.[1];
  if (matrix !== undefined) return matrixMistake(matrix, variables);
  const git = /^git\.(.*)$/.exec(name)?.[1];
  if (git !== undefined) {
    if (GIT_TEMPLATES.some((known) => known === git)) return undefined;
    const near = nearSpelling(git, GIT_TEMPLATES);
    const all = GIT_TEMPLATES.map((known) => `\${git.${known}}`).join(", ");
    const hint = near === undefined ? `known: ${all}` : `did you mean \${git.${near}}?`;
    return { code: "TEMPLATE_UNKNOWN", message: `git has no ${quoted(git)} here`, hint };
  }
  return {
    code: "TEMPLATE_UNKNOWN",
    message: `\${${name}} is not known here: values are never expanded`,
    hint: "known: ${matrix.…}, ${git.…}; for `${` itself write `$${`",
  };
}

function matrixMistake(
  name: string,
  variables: readonly string[] | undefined,
): Finding | undefined {
  if (variables === undefined || variables.includes(name)) return undefined;
  if (variables.length === 0) {
    const hint = "templates of a matrix stand in the step that has it";
    return { code: "TEMPLATE_UNKNOWN", message: "there is no matrix here", hint };
  }
  const meant =
    nearSpelling(name, variables) ?? (variables.length === 1 ? variables[0] : undefined);
  const hint =
    meant === undefined
      ? `known: ${variables.map((known) => `\${matrix.${known}}`).join(", ")}`
      : `did you mean \${matrix.${meant}}?`;
  return { code: "TEMPLATE_UNKNOWN", message: `the matrix has no ${quoted(name)}`, hint };
}

/** Matrix and git values that are written where nothing is put in. The sign before is the shell's `$$`. */
const PUT_IN = /(?<!\$)\$\{(matrix|git)\.([^{}\n]{0,100})\}?/;

/** In commands a matrix or git template would be the shell's, and mean nothing there. */
export function templateInRun(command: string): InnerFinding | undefined {
  const found = PUT_IN.exec(command);
  if (found === null) return undefined;
  const [needle, kind, name = ""] = found;
  return {
    code: "TEMPLATE_IN_RUN",
    message: "commands are passed to the shell untouched",
    hint: `write "$${kind === "git" ? gitVariable(name) : variableName(name)}"`,
    needle,
  };
}

/** The same where a key takes no templates. */
export function templateMisplaced(text: string, key: string): InnerFinding | undefined {
  const needle = PUT_IN.exec(text)?.[0];
  if (needle === undefined) return undefined;
  const hint = "they stand in image, args, env, reports, keep and cache only";
  return {
    code: "TEMPLATE_UNKNOWN",
    message: `templates are not read in ${quoted(key)}`,
    hint,
    needle,
  };
}

function gitVariable(name: string): string {
  return name === "short" ? "GIT_SHA" : `GIT_${variableName(name)}`;
}

/** The environment variable of a matrix variable: `node` → `NODE`. */
export function variableName(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}
