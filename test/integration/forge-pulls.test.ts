import { describe, expect, test } from "vitest";
import { startForgeDouble } from "../support/forge-double.ts";
import { aServer, type TestServer } from "../support/start-server.ts";
import { until } from "../support/until.ts";

const PATIENCE = { deadlineMs: 60_000, everyMs: 50 } as const;
const REPO = "acme/polled";

interface Listed {
  readonly id: string;
  readonly ref: string;
  readonly sha: string | null;
  readonly state: string;
}

/** A forge that reaches nobody, and a server that looks at it every second. */
async function aPolledRepo(settings: Record<string, string> = {}) {
  const stack = new AsyncDisposableStack();
  const forge = stack.use(await startForgeDouble());
  const repo = await forge.addRepo(REPO);
  const base = await repo.commit({ a: "1" });
  forge.pulls.open({
    ...aPull(1, base.after),
    headSha: sha("1"),
    openedAt: Date.now() - 86_400_000,
  });
  const env = {
    TATARA_GITHUB_URL: forge.url,
    TATARA_GITHUB_API_URL: forge.apiUrl,
    TATARA_GITHUB_READ_TOKEN: forge.readToken,
    TATARA_REPOS: REPO,
    TATARA_POLL_SECONDS: "1",
    ...settings,
  };
  const server = stack.use(await aServer(env));
  const pulls = async () => {
    const all = await server.api<{ builds: Listed[] }>(`/api/builds?repo=${REPO}`);
    return all.builds.filter(({ ref }) => ref.startsWith("refs/pull/")).toReversed();
  };
  // The first look is over once a second one has heard that nothing has changed.
  const hasLooked = async () => {
    const from = forge.api.notModifiedCount();
    await until(() => forge.api.notModifiedCount() > from, true, PATIENCE);
  };
  return {
    forge,
    server,
    base: base.after,
    pulls,
    hasLooked,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const sha = (digit: string) => digit.repeat(40);
const aPull = (number: number, baseSha: string) => ({
  repo: REPO,
  number,
  baseSha,
  headSha: sha("a"),
});

async function warningsOf(server: TestServer): Promise<string> {
  return (await server.api<{ warnings: string[] }>("/healthz")).warnings.join("\n");
}

describe.concurrent("pull requests of a repo that is polled", () => {
  test("are built when they are opened and with each new head, not those that were there before", async () => {
    await using line = await aPolledRepo();
    const { forge, server, base, pulls, hasLooked } = line;
    await hasLooked();

    forge.pulls.open(aPull(12, base));
    await until(async () => (await pulls()).length, 1, PATIENCE);
    forge.pulls.open({ ...aPull(12, base), headSha: sha("b") });
    await until(async () => (await pulls()).length, 2, PATIENCE);
    await hasLooked();

    const found = await pulls();
    expect(found.map(({ ref, sha: head }) => [ref, head])).toEqual([
      ["refs/pull/12/head", sha("a")],
      ["refs/pull/12/head", sha("b")],
    ]);
    expect(await server.api(`/api/builds/${found[1]?.id}`)).toMatchObject({
      event: "pull-request",
      waitReason: null,
      message: "Make it better",
      before: sha("a"),
      note: "found by polling",
    });

    // One that was there before counts from its next head on.
    forge.pulls.open({ ...aPull(1, base), headSha: sha("c") });
    await until(async () => (await pulls()).at(-1)?.sha, sha("c"), PATIENCE);
  });

  test("from a fork wait for approval, whoever opened them", async () => {
    await using line = await aPolledRepo();
    const { forge, server, base, pulls, hasLooked } = line;
    await hasLooked();

    forge.pulls.open({ ...aPull(13, base), headRepoId: 4_711, association: "MEMBER" });

    await until(async () => (await pulls()).length, 1, PATIENCE);
    const [found] = await pulls();
    expect(await server.api(`/api/builds/${found?.id}`)).toMatchObject({
      state: "queued",
      waitReason: "waits for approval: its author is new here",
    });
  });

  test("that are closed have their builds cancelled; opened again they go on with their next head", async () => {
    await using line = await aPolledRepo();
    const { forge, base, pulls, hasLooked } = line;
    await hasLooked();
    forge.pulls.open(aPull(14, base));
    forge.pulls.open({ ...aPull(15, base), headSha: sha("b") });
    await until(async () => (await pulls()).length, 2, PATIENCE);

    forge.pulls.close(REPO, 14);

    const states = async () =>
      Object.fromEntries((await pulls()).map(({ ref, state }) => [ref, state]));
    const after = { "refs/pull/14/head": "cancelled", "refs/pull/15/head": "queued" };
    await until(states, after, PATIENCE);

    forge.pulls.open({ ...aPull(14, base), headSha: sha("d") });
    await until(async () => (await pulls()).at(-1)?.sha, sha("d"), PATIENCE);
    expect(await pulls()).toHaveLength(3);
  });

  test("are read page by page, and a hundred new ones become builds over several looks", async () => {
    await using line = await aPolledRepo();
    const { forge, base, pulls, hasLooked } = line;
    await hasLooked();

    const numbers = Array.from({ length: 110 }, (_, index) => 100 + index);
    for (const number of numbers) {
      forge.pulls.open({ ...aPull(number, base), headSha: String(number).padStart(40, "e") });
    }

    const known = async () => {
      const all = await line.server.api<{ builds: Listed[] }>(`/api/builds?repo=${REPO}&limit=200`);
      return all.builds.filter(({ ref }) => ref.startsWith("refs/pull/")).length;
    };
    await until(known, 110, PATIENCE);
    expect((await pulls()).length).toBeGreaterThan(0);
  });

  test("that the token may not read are told, and branches are built as ever", async () => {
    await using line = await aPolledRepo({
      TATARA_GITHUB_READ_TOKEN: "ghp_other" + "0".repeat(30),
    });
    const { server, pulls } = line;

    const told = `pull requests of ${REPO} are not found by polling: 404`;
    await until(async () => (await warningsOf(server)).includes(told), true, PATIENCE);

    const strangers = await (await fetch(`${server.url}/healthz`)).text();
    expect(strangers).toContain("1 repo has pull requests that cannot be asked for");
    expect(strangers).not.toContain(REPO);
    expect(await pulls()).toEqual([]);
    const { builds } = await server.api<{ builds: Listed[] }>(`/api/builds?repo=${REPO}`);
    expect(builds.map(({ ref }) => ref)).toEqual(["refs/heads/main"]);
  });
});
