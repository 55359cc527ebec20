import { describe, expect, test } from "vitest";
import {
  channelsFor,
  childChannelFor,
  branchChannelName,
  isChannelName,
  mainTargetOf,
  pullRequestChannelName,
} from "../../../src/domain/channel.ts";
import { aRule } from "../../support/a-pipeline.ts";

describe("names of child channels", () => {
  test("a plain branch keeps its name", () => {
    expect(branchChannelName("acme/hello", "next")).toBe("acme.hello.next");
    expect(pullRequestChannelName("acme/hello", 12)).toBe("acme.hello.pr-12");
  });

  test("two originals never share a name", () => {
    const names = [
      branchChannelName("acme/hello", "feature/new"),
      branchChannelName("acme/hello", "feature-new"),
      branchChannelName("acme/hello", "Feature-New"),
      branchChannelName("acme/hello", "feature.new"),
      branchChannelName("acme/hello.feature", "new"),
      branchChannelName("acme/hello", "pr-12"),
      pullRequestChannelName("acme/hello", 12),
      branchChannelName("Acme/hello", "feature-new"),
      branchChannelName("acme/hello", "ü"),
      branchChannelName("acme/hello", "ö"),
    ];

    expect(new Set(names).size).toBe(names.length);
  });

  test("every name is a legal channel name and always the same", () => {
    const long = "a".repeat(100);
    for (const [repo, branch] of [
      ["acme/hello", "feature/../x"],
      [`${long}/${long}`, long],
      ["_a/_b", "--"],
      ["acme/hello", `${"x".repeat(40)}-${"y".repeat(80)}`],
      ["acme/hello", "日本語"],
    ] as const) {
      const name = branchChannelName(repo, branch);

      expect(isChannelName(name), name).toBe(true);
      expect(branchChannelName(repo, branch)).toBe(name);
    }
    expect(branchChannelName("acme/hello", "feature/new-ui")).toMatch(
      /^acme\.hello\.feature-new-ui-[0-9a-z]{11}$/,
    );
  });

  test("only a branch that is certainly another one gets a channel of its own", () => {
    const facts = { repo: "acme/hello", ref: "refs/heads/next", pullRequest: null };
    const rules = [aRule({ channel: "dev" })];

    expect(childChannelFor(rules, { ...facts, defaultBranch: "main" })).toEqual({
      parent: "dev",
      name: "acme.hello.next",
      kind: "branch",
    });
    expect(childChannelFor(rules, { ...facts, defaultBranch: "next" })).toBeUndefined();
    expect(childChannelFor(rules, { ...facts, defaultBranch: null })).toBeUndefined();
    expect(childChannelFor([], { ...facts, defaultBranch: "main" })).toBeUndefined();
    expect(
      childChannelFor(rules, { ...facts, ref: "refs/tags/v1", defaultBranch: "main" }),
    ).toBeUndefined();
    expect(
      childChannelFor(rules, {
        ...facts,
        ref: "refs/pull/12/head",
        defaultBranch: "main",
        pullRequest: 12,
      }),
    ).toMatchObject({ name: "acme.hello.pr-12", kind: "pull-request" });
  });

  test("several rules may match one build; what is promoted never arrives by itself", () => {
    const rules = [
      aRule({ channel: "dev" }),
      aRule({ channel: "next", branches: ["ma*", "!master"] }),
      aRule({ channel: "testing", tags: ["v[0-9]*"] }),
      aRule({ channel: "stable", promoteFrom: "testing" }),
    ];
    const to = (ref: string, pullRequest: number | null = null): readonly string[] =>
      channelsFor(rules, { repo: "acme/hello", ref, defaultBranch: "main", pullRequest });

    expect(to("refs/heads/main")).toEqual(["dev", "next"]);
    expect(to("refs/heads/master")).toEqual([]);
    expect(to("refs/tags/v1.4.0")).toEqual(["testing"]);
    expect(to("refs/tags/nightly")).toEqual([]);
    expect(to("refs/pull/12/head", 12)).toEqual([]);
  });

  test("source and debug targets belong to their main one", () => {
    expect(mainTargetOf("el9.x86_64-source")).toBe("el9.x86_64");
    expect(mainTargetOf("el9.x86_64-debug")).toBe("el9.x86_64");
    expect(mainTargetOf("fedora-43.x86_64")).toBe("fedora-43.x86_64");
  });
});
