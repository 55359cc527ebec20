import { nearSpelling } from "../domain/near-spelling.ts";
import {
  PIPELINE_COMMAND_BYTES_MAX,
  PIPELINE_LINE_LENGTH_MAX,
  PIPELINE_NAME_LENGTH_MAX,
  PIPELINE_TEXT_LENGTH_MAX,
} from "../domain/pipeline-keys.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../domain/pipeline-types.ts";
import type { TextFormat, TextType, TextsType } from "../domain/pipeline-types.ts";
import { ARCHES, TEXT_RULES } from "../domain/text-rules.ts";
import { senseOf } from "../domain/rpm-relation.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";
import { channelNameMistake, nameHint } from "./pipeline-names.ts";
import { patternMistake } from "./pipeline-patterns.ts";
import { scheduleMistake } from "./pipeline-schedule.ts";
import { templateInRun, templateMisplaced } from "./pipeline-templates.ts";
import type { InnerFinding } from "./pipeline-templates.ts";

/** A text that is right, as a number where it is a duration or a size; or what is wrong with it. */
export type FormatCheck =
  | { readonly value: string | number }
  | { readonly finding: Finding | InnerFinding };

/** Checks a text of the file by the format that the table of keys gives it. `key` is for messages. */
export function checkFormat(written: string, type: TextType | TextsType, key: string): FormatCheck {
  const { format, hasTemplates = false, max = Number.POSITIVE_INFINITY } = type;
  const tooLong = lengthMistake(written, format, key);
  if (tooLong !== undefined) return { finding: tooLong };
  if (format === "command") {
    const finding = templateInRun(written);
    return finding === undefined ? { value: written } : { finding };
  }
  const text = format === "text" ? written : written.trim();
  const template = hasTemplates ? undefined : templateMisplaced(text, key);
  if (template !== undefined) return { finding: template };
  if (format === "duration") return checkAmount(text, max, DURATION);
  if (format === "size") return checkAmount(text, max, SIZE);
  const finding = (format !== "text" && lineMistake(text, key)) || CHECKS[format]?.(text);
  return finding === undefined ? { value: text } : { finding };
}

const NAMES: ReadonlySet<TextFormat> = new Set<TextFormat>([
  "word",
  "variable",
  "channel",
  "source",
  "target",
  "arch",
  "version",
  "release",
  "mode",
]);

function lengthMistake(text: string, format: TextFormat, key: string): Finding | undefined {
  if (format === "command") {
    if (new TextEncoder().encode(text).length <= PIPELINE_COMMAND_BYTES_MAX) return undefined;
    const message = `${quoted(key)} is longer than the limit, ${PIPELINE_COMMAND_BYTES_MAX / 1024} KiB`;
    return { code: "LIMIT_EXCEEDED", message, hint: "move it into a script of the repository" };
  }
  const isName = NAMES.has(format) || (format.endsWith("-name") && format !== "image-name");
  const isText = format === "text";
  const line = isName ? PIPELINE_NAME_LENGTH_MAX : PIPELINE_LINE_LENGTH_MAX;
  const max = isText ? PIPELINE_TEXT_LENGTH_MAX : line;
  if (text.length <= max) return undefined;
  const message = `this is longer than the limit, ${max.toLocaleString("en")} characters`;
  return { code: "LIMIT_EXCEEDED", message, hint: "write something shorter" };
}

function lineMistake(text: string, key: string): Finding | undefined {
  if (!/[\n\r]/.test(text)) return undefined;
  return {
    code: "VALUE_TYPE",
    message: `${quoted(key)} takes one line, not several`,
    hint: "write it in one line",
  };
}

interface Amounts {
  readonly noun: string;
  readonly example: string;
  readonly parse: (text: string) => number | undefined;
  readonly format: (amount: number) => string;
}

const DURATION: Amounts = {
  noun: "duration",
  example: '"90s", "10m", "2h" or "14d"',
  parse: parseDuration,
  format: formatDuration,
};
const SIZE: Amounts = {
  noun: "size",
  example: '"512m" or "4g"',
  parse: parseSize,
  format: formatSize,
};

function checkAmount(text: string, max: number, amounts: Amounts): FormatCheck {
  const value = amounts.parse(text);
  if (value === undefined) {
    const isNumber = /^\d{1,12}$/.test(text);
    if (isNumber) return { finding: unitMissing(text, amounts.noun === "duration") };
    const message = `${quoted(text)} is no ${amounts.noun}`;
    return { finding: { code: "UNIT_MISSING", message, hint: `write ${amounts.example}` } };
  }
  if (value === 0) {
    const message = `${text} is nothing at all`;
    const hint = `write ${amounts.example}, or remove the line`;
    return { finding: { code: "LIMIT_EXCEEDED", message, hint } };
  }
  if (value <= max) return { value };
  const message = `${text} is over the limit of this server, ${amounts.format(max)}`;
  const hint = "lower it, or ask an admin to raise the limit";
  return { finding: { code: "LIMIT_EXCEEDED", message, hint } };
}

/** `timeout: 10`: ten of what? */
export function unitMissing(written: string, isDuration: boolean): Finding {
  const number = written.slice(0, 20);
  const units = isDuration ? ["s", "m", "h"] : ["m", "g"];
  const [last = "", ...others] = units.map((unit) => `"${number}${unit}"`).toReversed();
  const hint = `write ${others.toReversed().join(", ")} or ${last}`;
  return { code: "UNIT_MISSING", message: `${number} what?`, hint };
}

type TextCheck = (text: string) => Finding | undefined;

const CHECKS: Partial<Readonly<Record<TextFormat, TextCheck>>> = {
  pattern: patternMistake,
  schedule: scheduleMistake,
  channel: channelNameMistake,
  source: nameCheck("source", "name of a channel or a yum source"),
  "service-name": nameCheck("service-name", "name of a service"),
  "step-name": nameCheck("step-name", "step name"),
  "project-name": nameCheck("project-name", "name of a project"),
  variable: nameCheck("variable", "name of a variable"),
  "package-name": nameCheck("package-name", "package name", "letters, digits, `.`, `_`, `+`, `-`"),
  "user-name": nameCheck("user-name", "name of a user"),
  "group-name": nameCheck("group-name", "name of a group"),
  "env-name": variableCheck("env-name", "name of an environment variable"),
  "secret-name": variableCheck("secret-name", "name of a secret"),
  "argument-name": variableCheck("argument-name", "name of a build argument"),
  "macro-name": nameCheck(
    "macro-name",
    "name of a macro",
    "at least three letters, digits and `_`, as rpm has it",
  ),
  "option-name": nameCheck("option-name", "name of an option", "letters, digits, `_`, `-`"),
  target: nameCheck("target", "target"),
  arch: archMistake,
  version: versionMistake,
  release: releaseMistake,
  relation: relationMistake,
  mode: modeMistake,
  "installed-path": installedPathMistake,
};

type RuledFormat = keyof typeof TEXT_RULES;

function nameCheck(format: RuledFormat, noun: string, letters?: string): TextCheck {
  return (text) => {
    if (TEXT_RULES[format].test(text)) return undefined;
    const message = `${quoted(text)} is no ${noun}`;
    return { code: "NAME_INVALID", message, hint: letters ?? nameHint(text) };
  };
}

function variableCheck(format: RuledFormat, noun: string): TextCheck {
  return (text) => {
    if (TEXT_RULES[format].test(text)) return undefined;
    const legal = text
      .toUpperCase()
      .replace(/[^A-Z0-9_]/g, "_")
      .slice(0, 60);
    const offered = /^[A-Z_]/.test(legal) ? `: "${legal}"` : "";
    const hint = `letters, digits, \`_\`${offered}`;
    return { code: "NAME_INVALID", message: `${quoted(text)} is no ${noun}`, hint };
  };
}

const OTHER_ARCHES: ReadonlyMap<string, string> = new Map([
  ["amd64", "x86_64"],
  ["x64", "x86_64"],
  ["arm64", "aarch64"],
  ["any", "noarch"],
  ["all", "noarch"],
]);

function archMistake(text: string): Finding | undefined {
  if (ARCHES.some((arch) => arch === text)) return undefined;
  const meant = OTHER_ARCHES.get(text.toLowerCase()) ?? nearSpelling(text, ARCHES);
  return {
    code: "VALUE_CHOICE",
    message: `${quoted(text)} is not one of: ${ARCHES.join(", ")}`,
    hint: meant === undefined ? "write one of these" : `did you mean "${meant}"?`,
  };
}

const VERSION_HINT = "letters, digits, `.`, `_`, `+`, `~`, `^`";

function versionMistake(text: string): Finding | undefined {
  if (TEXT_RULES.version.test(text)) return undefined;
  const invalid = (message: string, hint: string): Finding => ({
    code: "VERSION_INVALID",
    message,
    hint,
  });
  const [before = "", ...after] = text.split("-");
  if (after.length > 0 && /^[A-Za-z0-9][A-Za-z0-9._+~^-]*$/.test(text)) {
    const rest = after.join(".");
    const hint = `"${before}.${rest}", or "${before}~${rest}" for a version before ${before}`;
    return invalid('an RPM version has no "-"', hint);
  }
  const odd = /[^A-Za-z0-9._+~^]/u.exec(text)?.[0] ?? text.slice(0, 1);
  return invalid(`an RPM version has no ${quoted(odd)}`, VERSION_HINT);
}

function releaseMistake(text: string): Finding | undefined {
  if (TEXT_RULES.release.test(text)) return undefined;
  const odd = /[^A-Za-z0-9._+~^]/u.exec(text.replace("%{?dist}", ""))?.[0] ?? text.slice(0, 1);
  const message = `an RPM release has no ${quoted(odd)}`;
  return { code: "VERSION_INVALID", message, hint: '`auto`, `spec`, or a release such as "1"' };
}

/** `name`, `name >= 1.2`, or rpm's own `(a or b)`. */
function relationMistake(text: string): Finding | undefined {
  const isRich = text.startsWith("(") && text.endsWith(")");
  const [name = "", sign, version, ...more] = text.split(/[ \t]+/);
  const isSigned = sign === undefined || (senseOf(sign) !== undefined && version !== undefined);
  const isVersion = version === undefined || /^[A-Za-z0-9:._+~^-]+$/.test(version);
  // Signs within parentheses belong to names such as `font(:lang=en)`.
  const isName = /^[^\s<>=,()]+(?:\([^\s,<>()]*\))*$/.test(name);
  if (isRich || (isName && isSigned && isVersion && more.length === 0)) return undefined;
  const split = /^([^\s<>=,()]+)\s*(<=|>=|<|>|==?)\s*([^\s<>=,]+)$/.exec(text);
  const hint = split === null ? 'one entry each: "nodejs >= 16"' : `"${split.slice(1).join(" ")}"`;
  return { code: "NAME_INVALID", message: `${quoted(text)} is no dependency`, hint };
}

function modeMistake(text: string): Finding | undefined {
  if (TEXT_RULES.mode.test(text)) return undefined;
  const message = `${quoted(text)} is no mode`;
  return { code: "NAME_INVALID", message, hint: 'octal digits: "0644", "0755"' };
}

function installedPathMistake(text: string): Finding | undefined {
  const parts = text.split("/").slice(1);
  const inner = parts.at(-1) === "" ? parts.slice(0, -1) : parts;
  const isPlain = inner.length > 0 && inner.every((part) => !["", ".", ".."].includes(part));
  if (text.startsWith("/") && isPlain) return undefined;
  const legal = `/${text
    .split("/")
    .filter((part) => !["", ".", ".."].includes(part))
    .join("/")}`;
  return {
    code: "PATH_INVALID",
    message: `${quoted(text)} is no path on the installed system`,
    hint: legal === "/" ? 'it starts with "/": "/usr/bin/hello"' : `write ${quoted(legal)}`,
  };
}
