import { matcherOf } from "./patterns.ts";
import type { Only, When } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { branchOf, tagOf } from "./push.ts";

/** Why the build as a whole has nothing to do; null: it has. */
export function judgeWhen(when: When, facts: PlanFacts): string | null {
  if (facts.isByHand) return null;
  const { schedule, ...rest } = when;
  const rule = { ...rest, schedule: schedule.length > 0 ? true : null };
  const isMapped = switchesOn(rule) || rule.pullRequests === false;
  return judge(switchesOn(rule) ? rule : withDefaults(rule, facts), facts, {
    files: changedAnywhere(facts),
    isDefault: !isMapped,
  });
}

/** What is built where the file says nothing: the default branch, all tags, pull requests. */
function withDefaults(rule: Only, { git, buildsAllBranches }: PlanFacts): Only {
  const isEvery = buildsAllBranches || git.defaultBranch === null;
  return {
    ...rule,
    branches: isEvery ? ["**"] : [literally(git.defaultBranch)],
    tags: ["**"],
    pullRequests: rule.pullRequests ?? true,
    // Nobody scheduled it but the file; a schedule taken out since then is a push no more.
    schedule: rule.schedule ?? true,
  };
}

/** A pattern that takes this branch and no other. */
export function literally(branch: string): string {
  return branch.replace(/[\\*?[\]{}!,]/g, "\\$&");
}

/** Why a step, package or project does not run in this build; null: it does. */
export function judgeOnly(only: Only | null, facts: PlanFacts, project: string): string | null {
  if (only === null) return null;
  return judge(only, facts, { files: facts.changes[project] ?? null, isDefault: false });
}

/** As soon as a map switches one kind on, only the kinds that it names happen. */
export function switchesOn({ branches, tags, pullRequests, schedule }: Only): boolean {
  const isPullRequests = pullRequests !== null && pullRequests !== false;
  return branches !== null || tags !== null || isPullRequests || schedule === true;
}

interface Judged {
  /** Null: everything counts as changed. */
  readonly files: readonly string[] | null;
  /** The rule is ours, since the file has none. */
  readonly isDefault: boolean;
}

function judge(rule: Only, facts: PlanFacts, { files, isDefault }: Judged): string | null {
  const why = judgeKind(rule, facts, isDefault);
  if (why !== null) return why;
  const { paths } = rule;
  if (paths === null || files === null) return null;
  const matches = matcherOf(paths);
  return files.some(matches) ? null : `no changed file matches ${listed(paths)}`;
}

function judgeKind(rule: Only, { git }: PlanFacts, isDefault: boolean): string | null {
  const isOn = switchesOn(rule);
  if (git.event === "schedule") {
    if (rule.schedule === false) return "not in scheduled builds";
    return isOn && rule.schedule === null ? "not in scheduled builds" : null;
  }
  if (git.pullRequest !== null) return judgePullRequest(rule.pullRequests, git.pullRequest, isOn);
  const tag = tagOf(git.ref);
  if (tag !== undefined) return judgeName("tag", tag, rule.tags, isOn);
  const branch = branchOf(git.ref) ?? git.ref;
  const why = judgeName("branch", branch, rule.branches, isOn);
  if (why === null || !isDefault) return why;
  return `branch ${branch} is not the default branch ${git.defaultBranch ?? ""}`;
}

function judgePullRequest(
  rule: Only["pullRequests"],
  { isFork, baseBranch }: { readonly isFork: boolean; readonly baseBranch: string },
  isOn: boolean,
): string | null {
  if (rule === true) return null;
  if (rule === false || (rule === null && isOn)) return "not on pull requests";
  if (rule === null) return null;
  if (rule === "same-repo") return isFork ? "not on pull requests of forks" : null;
  if (matcherOf(rule)(baseBranch)) return null;
  return `only on pull requests to ${listed(rule)}, not to ${baseBranch}`;
}

function judgeName(
  kind: "branch" | "tag",
  name: string,
  patterns: readonly string[] | null,
  isOn: boolean,
): string | null {
  if (patterns === null) return isOn ? `not on ${kind === "tag" ? "tags" : "branches"}` : null;
  if (matcherOf(patterns)(name)) return null;
  const many = kind === "tag" ? "tags" : "branches";
  return `only on ${patterns.length === 1 ? kind : many} ${listed(patterns)}, not on ${name}`;
}

function listed(patterns: readonly string[]): string {
  return patterns.join(", ");
}

/** Of all projects together. */
function changedAnywhere({ changes }: PlanFacts): readonly string[] | null {
  const lists = Object.values(changes);
  if (lists.length === 0 || lists.includes(null)) return null;
  return lists.flatMap((files) => files ?? []);
}
