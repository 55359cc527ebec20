import { cronText } from "../domain/cron.ts";
import { matcherOf } from "../domain/patterns.ts";
import type { Only, When } from "../domain/pipeline.ts";
import { switchOf, textsIn, textsOf, valueOf } from "./pipeline-checked.ts";
import type { CheckedMap, CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { readFilePatterns } from "./pipeline-paths.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";

const NO_RULE = { branches: null, tags: null, pullRequests: null, schedule: null, paths: null };

/** The map `only`; null where there is none. */
export function readOnly(map: CheckedMap | undefined, scope: Scope, reading: Reading): Only | null {
  if (map === undefined) return null;
  return { ...readKinds(map, scope, reading), schedule: switchOf(map, "schedule") ?? null };
}

/** The map `when`; without it nothing is named, and the server builds what it builds by default. */
export function readWhen(map: CheckedMap | undefined, scope: Scope, reading: Reading): When {
  if (map === undefined) return { ...NO_RULE, schedule: [] };
  const schedule = textsOf(map, "schedule") ?? [];
  return {
    ...readKinds(map, scope, reading),
    schedule: [...new Set(schedule.map(({ value }) => cronText(value)))],
  };
}

function readKinds(map: CheckedMap, scope: Scope, reading: Reading): Omit<Only, "schedule"> {
  const paths = textsOf(map, "paths");
  return {
    branches: valuesOf(textsOf(map, "branches")),
    tags: valuesOf(textsOf(map, "tags")),
    pullRequests: pullRequestsOf(map),
    paths: paths === undefined ? null : readFilePatterns(paths, scope, reading),
  };
}

function valuesOf(texts: readonly CheckedText[] | undefined): readonly string[] | null {
  return texts?.map(({ value }) => value) ?? null;
}

function pullRequestsOf(map: CheckedMap): Only["pullRequests"] {
  const value = valueOf(map, "pull-requests");
  if (value?.kind === "switch") return value.value;
  const texts = valuesOf(textsIn(value));
  return texts?.length === 1 && texts[0] === "same-repo" ? "same-repo" : texts;
}

type Kind = "branches" | "tags" | "pullRequests" | "schedule";

/**
 * Does a rule let this kind of build through? As soon as it switches one kind on, only those that it
 * names happen; one that only switches off leaves the rest as it was.
 */
export function letsThrough(rule: Only | null, kind: Kind): boolean {
  if (rule === null) return true;
  const { branches, tags, pullRequests, schedule } = rule;
  const isNamed = {
    branches: branches !== null,
    tags: tags !== null,
    pullRequests: pullRequests !== null && pullRequests !== false,
    schedule: schedule === true,
  };
  if (isNamed[kind]) return true;
  if (rule[kind] === false) return false;
  return !Object.values(isNamed).includes(true);
}

/** The same of `when`, as a rule of a step. */
export function whenAsOnly(when: When): Only {
  return { ...when, schedule: when.schedule.length > 0 ? true : null };
}

/**
 * Warns of a rule that no build gets through. Only what is certain counts: plain names of branches or
 * tags that no pattern of `when` takes, or a kind that `when` leaves out altogether.
 */
export function checkReachable(
  map: CheckedMap | undefined,
  noun: string,
  when: Only,
  reading: Reading,
): void {
  if (map === undefined) return;
  const branches = textsOf(map, "branches");
  const tags = textsOf(map, "tags");
  const isOther = pullRequestsOf(map) || switchOf(map, "schedule") === true;
  const [texts, kind] =
    branches === undefined ? [tags, "tags" as const] : [branches, "branches" as const];
  const isBoth = branches !== undefined && tags !== undefined;
  const [first] = texts ?? [];
  if (texts === undefined || first === undefined || isBoth || isOther) return;
  const patterns = when[kind];
  if (patterns?.some((pattern) => pattern.length > 200) || texts.length > 100) return;
  if (patterns === null) {
    if (letsThrough(when, kind)) return;
    warn(first, `\`when\` builds no ${kind}`, `add "${first.value}" to \`when.${kind}\``);
    return;
  }
  const takes = matcherOf(patterns);
  if (texts.some(({ value }) => isPattern(value) || takes(value))) return;
  const one = kind === "branches" ? "branch" : "tag";
  const many = patterns.length === 1 ? one : kind;
  warn(
    first,
    `\`when\` builds only ${many} ${patterns.join(", ")}`,
    `add ${quoted(first.value)} to \`when.${kind}\``,
  );

  function warn(text: CheckedText, why: string, hint: string): void {
    const message = `${noun} never runs: ${why}`;
    refuse(reading, text.at, { code: "RULE_UNREACHABLE", message, hint, isWarning: true });
  }
}

/** What is too long for a quick comparison counts as one: nothing is certain then. */
function isPattern(text: string): boolean {
  return text.length > 200 || /[*?[{\\!]/.test(text);
}
