import { describe, expect, test } from "vitest";
import { parseGithubDelivery } from "../../src/server/webhook/github.ts";
import { examplesOf, pullRequestPayload } from "../support/github-deliveries.ts";

const HEAD = "a".repeat(40);
const BASE = "b".repeat(40);
const told = {
  action: "opened",
  repo: "acme/hello",
  number: 12,
  headSha: HEAD,
  baseSha: BASE,
};

function parsed(some: Partial<Parameters<typeof pullRequestPayload>[0]> = {}) {
  const delivery = parseGithubDelivery("pull_request", pullRequestPayload({ ...told, ...some }));
  if (delivery.kind !== "pull-request") throw new Error(JSON.stringify(delivery));
  return delivery.pullRequest;
}

describe("a pull request of GitHub's", () => {
  test("from the same repo is read whole", () => {
    expect(parsed()).toEqual({
      forge: "github",
      repo: "acme/hello",
      number: 12,
      action: "opened",
      baseBranch: "main",
      baseSha: BASE,
      headBranch: "feature",
      headSha: HEAD,
      before: null,
      title: "Make it better",
      isFork: false,
      sender: "Codertocat",
      isAuthorKnown: true,
      defaultBranch: "main",
    });
  });

  test.each([
    ["another repo's id", 4711],
    ["a deleted fork", null],
  ])("from %s is a fork's", (_name, headRepoId) => {
    expect(parsed({ headRepoId }).isFork).toBe(true);
  });

  test.each([
    ["OWNER", true],
    ["MEMBER", true],
    ["COLLABORATOR", true],
    ["CONTRIBUTOR", true],
    ["FIRST_TIME_CONTRIBUTOR", false],
    ["FIRST_TIMER", false],
    ["MANNEQUIN", false],
    ["NONE", false],
  ])("by a %s: known %s", (association, isKnown) => {
    expect(parsed({ association }).isAuthorKnown).toBe(isKnown);
  });

  test("pushed to by somebody else than its author is by nobody known", () => {
    expect(parsed({ association: "MEMBER", senderId: 99 }).isAuthorKnown).toBe(false);
  });

  test("synchronized says what its head was before", () => {
    const before = "c".repeat(40);
    expect(parsed({ action: "synchronize", before })).toMatchObject({ action: "updated", before });
  });

  test.each([
    ["labeled", "pull request labeled asks for no build"],
    ["edited", "pull request edited asks for no build"],
  ])("%s is ignored", (action, reason) => {
    const payload = pullRequestPayload({ ...told, action });
    expect(parseGithubDelivery("pull_request", payload)).toEqual({
      kind: "ignored",
      reason,
      repo: "acme/hello",
    });
  });

  test.each([
    ["headSha", "no-sha", "a commit's id is no sha"],
    ["headBranch", "a..b", "a branch's name cannot be built"],
    ["baseBranch", "-x", "a branch's name cannot be built"],
  ])("with an odd %s is ignored", (field, value, reason) => {
    const payload = pullRequestPayload({ ...told, [field]: value });
    expect(parseGithubDelivery("pull_request", payload)).toMatchObject({ kind: "ignored", reason });
  });

  test("that is none is bad", () => {
    expect(parseGithubDelivery("pull_request", { action: "opened" })).toMatchObject({
      kind: "bad",
    });
  });

  test("all published examples are read", () => {
    const kinds = examplesOf("pull_request").map(
      (payload) => parseGithubDelivery("pull_request", payload).kind,
    );
    expect(kinds.length).toBeGreaterThan(10);
    expect(kinds.filter((kind) => kind === "bad")).toEqual([]);
  });
});

test("a push says whether it was forced", () => {
  const [example] = examplesOf("push").filter(({ deleted }) => deleted === false);
  const read = (forced: boolean) => parseGithubDelivery("push", { ...example, forced });
  expect(read(true)).toMatchObject({ push: { isForced: true } });
  expect(read(false)).toMatchObject({ push: { isForced: false } });
});
