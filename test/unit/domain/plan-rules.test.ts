import { describe, expect, test } from "vitest";
import type { Only, When } from "../../../src/domain/pipeline.ts";
import type { PlanFacts } from "../../../src/domain/plan-facts.ts";
import { judgeOnly, judgeWhen } from "../../../src/domain/plan-rules.ts";
import { anOnly, planFacts, pullRequestFrom, pushOf } from "../../support/a-pipeline.ts";

const MAIN = pushOf("refs/heads/main");
const TOPIC = pushOf("refs/heads/topic");
const TAG = pushOf("refs/tags/v1.0");
const FORK = pullRequestFrom("fork");
const OWN = pullRequestFrom("same-repo", "release/1");
const NIGHT = { ...MAIN, event: "schedule" as const };

/** Which of the six kinds of build run: `main topic tag fork own night`. */
function running(judge: (facts: PlanFacts) => string | null): string {
  const kinds = { main: MAIN, topic: TOPIC, tag: TAG, fork: FORK, own: OWN, night: NIGHT };
  return Object.entries(kinds)
    .filter(([, git]) => judge(planFacts({ git })) === null)
    .map(([name]) => name)
    .join(" ");
}

const only = (some: Partial<Only>): string =>
  running((facts) => judgeOnly(anOnly(some), facts, ""));

const when = (some: Partial<When>): string =>
  running((facts) => judgeWhen({ ...anOnly({}), schedule: [], ...some }, facts));

describe("only", () => {
  test.each([
    [{}, "main topic tag fork own night"],
    [{ branches: ["main"] }, "main"],
    [{ branches: ["**"], tags: ["v*"] }, "main topic tag"],
    [{ tags: ["w*"] }, ""],
    [{ pullRequests: false }, "main topic tag night"],
    [{ pullRequests: true }, "fork own"],
    [{ pullRequests: "same-repo" as const }, "own"],
    [{ pullRequests: ["release/*"] }, "own"],
    [{ schedule: true }, "night"],
    [{ schedule: false }, "main topic tag fork own"],
    [{ branches: ["main"], pullRequests: false, schedule: true }, "main night"],
  ])("%j runs on %s", (rule, expected) => {
    expect(only(rule)).toBe(expected);
  });

  test("paths: at least one changed file, of the project's own list", () => {
    const rule = anOnly({ paths: ["src/**", "!src/doc/**"] });
    const judge = (files: string[] | null) =>
      judgeOnly(rule, planFacts({ changes: { api: files } }), "api");

    expect(judge(["src/a"])).toBeNull();
    expect(judge(["src/doc/a", "b"])).toBe("no changed file matches src/**, !src/doc/**");
    expect(judge(null)).toBeNull();
    expect(judgeOnly(rule, planFacts({ changes: { api: [] } }), "other")).toBeNull();
  });
});

describe("when", () => {
  test.each([
    [{}, "main tag fork own night"],
    [{ branches: ["main", "topic"] }, "main topic"],
    [{ pullRequests: false }, "main tag night"],
    [{ schedule: ["0 3 * * *"] }, "night"],
    [{ branches: ["main"], tags: ["v*"], pullRequests: true }, "main tag fork own"],
  ])("%j builds %s", (rule, expected) => {
    expect(when(rule)).toBe(expected);
  });

  test("a branch with signs that a pattern would read is still only itself", () => {
    const facts = planFacts({ git: { ...pushOf("refs/heads/a[b]*"), defaultBranch: "a[b]*" } });
    const rule = { ...anOnly({}), schedule: [] };

    expect(judgeWhen(rule, facts)).toBeNull();
    expect(
      judgeWhen(rule, { ...facts, git: { ...facts.git, ref: "refs/heads/abx" } }),
    ).not.toBeNull();
  });

  test("paths count over all projects; one that cannot tell what changed lets all through", () => {
    const rule = { ...anOnly({ paths: ["src/**"] }), schedule: [] };
    const judge = (changes: PlanFacts["changes"]) => judgeWhen(rule, planFacts({ changes }));

    expect(judge({ a: ["docs/x"], b: ["src/x"] })).toBeNull();
    expect(judge({ a: ["docs/x"] })).toBe("no changed file matches src/**");
    expect(judge({ a: ["docs/x"], b: null })).toBeNull();
  });
});
