import { describe, expect, test } from "vitest";
import { CommandError } from "../../../src/cli/exit-codes.ts";
import { parseBuildName } from "../../../src/cli/find-build.ts";
import { chooseRepo, repoOfUrl } from "../../../src/cli/git-folder.ts";

describe("the repo of a remote's address", () => {
  test.each([
    ["http://localhost:8080/git/acme/hello.git", "acme/hello"],
    ["https://ci.example.com/git/acme/hello.git/", "acme/hello"],
    ["https://github.com/acme/hello", "acme/hello"],
    ["git@github.com:acme/hello.git", "acme/hello"],
    ["ssh://git@gitlab.example.com:2222/acme/hello.git", "acme/hello"],
    ["https://user@gitlab.com/group/sub/hello.git", "sub/hello"],
    ["../hello.git", undefined],
    ["/srv/git/hello.git", undefined],
  ])("%s is %s", (url, repo) => {
    expect(repoOfUrl(url)).toBe(repo);
  });

  test("comes from our own remote before origin, and from origin before others", () => {
    const origin = { name: "origin", url: "https://github.com/acme/origin.git" };
    const fork = { name: "ann", url: "https://github.com/ann/fork.git" };
    const own = { name: "ci", url: "http://ci.example.com/git/acme/own.git" };

    expect(chooseRepo([fork, origin, own])).toBe("acme/own");
    expect(chooseRepo([fork, origin])).toBe("acme/origin");
    expect(chooseRepo([])).toBeUndefined();
  });
});

describe("a build", () => {
  test.each([
    ["12", { repo: "acme/hello", number: 12 }],
    ["#12", { repo: "acme/hello", number: 12 }],
    ["other/thing/3", { repo: "other/thing", number: 3 }],
    ["other/thing#3", { repo: "other/thing", number: 3 }],
    ["http://localhost:8080/repos/other/thing/3", { repo: "other/thing", number: 3 }],
    ["b-0123456789ab", { id: "b-0123456789ab" }],
  ])("is named by %s", (given, name) => {
    expect(parseBuildName(given, "acme/hello")).toEqual(name);
  });

  test("is not named by a number where no repo is known", () => {
    expect(() => parseBuildName("12", undefined)).toThrow(CommandError);
  });

  test.each(["", "0", "../../etc/passwd", "a/b/c/4", "acme/hello/-1", "B x"])(
    "is not named by '%s'",
    (given) => {
      expect(() => parseBuildName(given, "acme/hello")).toThrow("names no build");
    },
  );
});
