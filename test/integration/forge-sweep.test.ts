import { describe, expect, test } from "vitest";
import { createForgeSweep } from "../../src/server/forge-sweep.ts";
import { aStore } from "../support/a-store.ts";
import { startForgeDouble } from "../support/forge-double.ts";
import { silentLogger } from "../support/silent-logger.ts";
import { aServer, type TestServer } from "../support/start-server.ts";
import { until } from "../support/until.ts";

const SECRET = "the-webhook-secret-of-these-tests";
const PATIENCE = { deadlineMs: 60_000, everyMs: 50 } as const;

interface Listed {
  readonly id: string;
  readonly sha: string | null;
  readonly pusher: string;
  readonly state: string;
}

/** A forge and a server that looks at it every second. */
async function aLine(settings: Record<string, string> = {}) {
  const stack = new AsyncDisposableStack();
  const forge = stack.use(await startForgeDouble());
  const env = {
    TATARA_GITHUB_URL: forge.url,
    TATARA_GITHUB_API_URL: forge.apiUrl,
    TATARA_GITHUB_WEBHOOK_SECRET: SECRET,
    TATARA_SWEEP_SECONDS: "1",
    TATARA_REPOS: "acme/*",
    ...settings,
  };
  const server = stack.use(await aServer(env));
  forge.hook.set({ url: `${server.url}/webhooks/github`, secret: SECRET });
  return { forge, server, env, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function buildsOf(server: TestServer, repo: string): Promise<readonly Listed[]> {
  const { builds } = await server.api<{ builds: Listed[] }>(`/api/builds?repo=${repo}`);
  return builds.toReversed();
}

const shasOf = async (server: TestServer, repo: string) =>
  (await buildsOf(server, repo)).map(({ sha }) => sha);

async function missedOf({ url }: TestServer): Promise<unknown> {
  const response = await fetch(`${url}/healthz`);
  return ((await response.json()) as { missedPushes: unknown }).missedPushes;
}

/** What `/healthz` says to whoever may read pages, and to strangers. */
async function warningsOf(server: TestServer) {
  type Health = { readonly warnings: readonly string[] };
  const own = await server.api<Health>("/healthz");
  const strangers = (await (await fetch(`${server.url}/healthz`)).json()) as Health;
  return { reader: own.warnings.join("\n"), stranger: strangers.warnings.join("\n") };
}

const tells = async (server: TestServer, text: string): Promise<boolean> =>
  (await warningsOf(server)).reader.includes(text);

/** Two looks, so that whatever the first one found unsure is decided. */
async function twoLooks(forge: { gitRequestCount(): number }): Promise<void> {
  const from = forge.gitRequestCount();
  // Each look is two requests of git's.
  await until(() => forge.gitRequestCount() >= from + 6, true, PATIENCE);
}

describe.concurrent("pushes that nobody delivered", () => {
  test("a head without a delivery becomes one, and its late delivery makes no second build", async () => {
    await using line = await aLine();
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/hello");
    const first = await repo.commit({ a: "1" });
    await forge.hook.push(first);
    await twoLooks(forge);
    const lost = await repo.commit({ a: "2" }, { message: "two" });
    const lostToo = await repo.commit({ a: "3" }, { message: "three" });
    const id = forge.hook.miss(lostToo, "lost");

    await until(() => shasOf(server, "acme/hello"), [first.sha, lostToo.sha], PATIENCE);
    const late = await forge.hook.redeliver(id);
    const earlier = await forge.hook.push(lost);
    await twoLooks(forge);

    expect(late).toMatchObject({ status: 200, body: { kind: "duplicate" } });
    // What was pushed in between is a push of its own, when it is heard of.
    expect(earlier.status).toBe(202);
    expect(await shasOf(server, "acme/hello")).toEqual([first.sha, lostToo.sha, lost.sha]);
    const [, found] = await buildsOf(server, "acme/hello");
    expect(found).toMatchObject({ pusher: "found by sweep" });
    expect(await missedOf(server)).toEqual({ missed: 1, recovered: 1 });
  });

  test("branches and tags that were there before the first look are no missed pushes; new ones are", async () => {
    await using line = await aLine();
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/old");
    await repo.commit({ a: "old" }, { branch: "older" });
    await repo.tag("v0.1");
    const first = await repo.commit({ a: "1" });
    await forge.hook.push(first);
    await twoLooks(forge);
    expect(await shasOf(server, "acme/old")).toEqual([first.sha]);

    const branch = await repo.commit({ b: "1" }, { branch: "newer" });
    const tag = await repo.tag("v1.0", { annotation: "a release" });

    await until(async () => (await buildsOf(server, "acme/old")).length, 3, PATIENCE);
    const shas = await shasOf(server, "acme/old");
    expect(new Set(shas)).toEqual(new Set([first.sha, branch.sha, tag.sha]));
  });

  test("a commit that asks for no build is skipped when it is found, as if it had been delivered", async () => {
    await using line = await aLine();
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/quiet");
    await forge.hook.push(await repo.commit({ a: "1" }));
    await twoLooks(forge);

    await repo.commit({ a: "2" }, { message: "words [skip ci]" });

    await until(async () => (await buildsOf(server, "acme/quiet"))[1]?.state, "skipped", PATIENCE);
  });

  test("what is delivered in time is never found, in whatever order", async () => {
    await using line = await aLine();
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/busy");
    const pushes = [];
    for (let index = 0; index < 6; index += 1) pushes.push(await repo.commit({ a: String(index) }));
    const back = await repo.forcePush({ a: "forced" });
    for (const push of [pushes[1], pushes[0], pushes[3], back, pushes[2], pushes[5], pushes[4]]) {
      if (push !== undefined) await forge.hook.push(push);
    }
    const gone = await repo.commit({ b: "1" }, { branch: "topic" });
    await forge.hook.push(gone);
    await forge.hook.push(await repo.deleteRef("refs/heads/topic"));

    await twoLooks(forge);
    await twoLooks(forge);

    expect(await buildsOf(server, "acme/busy")).toHaveLength(9);
    expect(await missedOf(server)).toEqual({ missed: 0, recovered: 0 });
  });

  test("failed deliveries are asked for again and come with all that they tell", async () => {
    await using line = await aLine({
      TATARA_GITHUB_HOOK_TOKEN: "ghp_hook000000000000000000000000000000",
    });
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/listed");
    await forge.hook.push(await repo.commit({ a: "1" }));
    const missed = [await repo.commit({ a: "2" }), await repo.commit({ a: "3" })];
    for (const push of missed) forge.hook.miss(push, "listed");

    await until(async () => (await buildsOf(server, "acme/listed")).length, 3, PATIENCE);
    await until(() => missedOf(server), { missed: 2, recovered: 2 }, PATIENCE);
    await until(() => forge.api.notModifiedCount() > 0, true, PATIENCE);

    const [, ...again] = await buildsOf(server, "acme/listed");
    expect(again.map(({ pusher }) => pusher)).not.toContain("found by sweep");
    // Once each: what has arrived is not asked for another time.
    expect(forge.hook.tries.redeliveriesAsked).toHaveLength(2);
  });

  test("a credential that may not see hooks costs nothing but the list, and is told", async () => {
    await using line = await aLine({
      TATARA_GITHUB_HOOK_TOKEN: "ghp_other00000000000000000000000000000",
    });
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/blind");
    await forge.hook.push(await repo.commit({ a: "1" }));
    await twoLooks(forge);
    const asked = forge.api.requestCount();

    const push = await repo.commit({ a: "2" });
    forge.hook.miss(push, "listed");

    await until(async () => (await shasOf(server, "acme/blind"))[1], push.sha, PATIENCE);
    expect(forge.api.requestCount()).toBe(asked);
    const { reader, stranger } = await warningsOf(server);
    expect(reader).toMatch(/failed deliveries of acme\/blind are not asked for again: 404/);
    expect(stranger).toContain("1 repo has failed deliveries that cannot be asked for again");
    expect(stranger).not.toContain("acme");
  });

  test("a webhook that delivers to another address is told", async () => {
    await using line = await aLine({
      TATARA_GITHUB_HOOK_TOKEN: "ghp_hook000000000000000000000000000000",
      TATARA_PUBLIC_URL: "https://ci.example.com",
    });
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/astray");
    await forge.hook.push(await repo.commit({ a: "1" }));

    const told =
      "acme/astray are not asked for again: no active webhook of it delivers to https://ci";
    await until(() => tells(server, told), true, PATIENCE);

    // Somebody mends the hook.
    forge.hook.set({ url: "https://ci.example.com/webhooks/github", secret: SECRET });
    await until(() => tells(server, "not asked for again"), false, PATIENCE);
  });

  test("pushes that came while the forge could not be looked at are found when it can", async () => {
    await using line = await aLine();
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/down");
    await forge.hook.push(await repo.commit({ a: "1" }));
    forge.breakGit(503);
    const push = await repo.commit({ a: "2" });
    forge.hook.miss(push, "lost");
    await until(() => forge.gitRequestCount() > 1, true, PATIENCE);
    const told = "acme/down cannot be looked at for missed pushes";
    await until(() => tells(server, told), true, PATIENCE);
    const { stranger } = await warningsOf(server);
    expect(stranger).toContain("1 repo cannot be looked at for missed pushes");
    expect(stranger).not.toContain("acme");

    forge.breakGit(undefined);

    await until(async () => (await shasOf(server, "acme/down"))[1], push.sha, PATIENCE);
    await until(() => tells(server, told), false, PATIENCE);
  });

  test("a repo that is polled is built from its default branch on, without a webhook", async () => {
    await using line = await aLine({
      TATARA_REPOS: "acme/polled,acme/typo",
      TATARA_GITHUB_WEBHOOK_SECRET: "",
      TATARA_POLL_SECONDS: "1",
    });
    const { forge, server } = line;
    const repo = await forge.addRepo("acme/polled", { defaultBranch: "trunk" });
    await repo.commit({ b: "1" }, { branch: "old-topic" });
    const first = await repo.commit({ a: "1" }, { message: "one" });
    const newest = async () => (await shasOf(server, "acme/polled")).at(-1);
    await until(newest, first.sha, PATIENCE);
    // Its commit before may have been looked at, too.
    const count = (await buildsOf(server, "acme/polled")).length - 1;

    const next = await repo.commit({ a: "2" }, { message: "two" });
    await until(newest, next.sha, PATIENCE);
    const tag = await repo.tag("v1.0");
    await until(async () => (await buildsOf(server, "acme/polled")).length, count + 3, PATIENCE);
    await repo.deleteRef("refs/heads/old-topic");
    await twoLooks(forge);

    const builds = (await buildsOf(server, "acme/polled")).slice(count);
    expect(builds.map(({ sha }) => sha)).toEqual([first.sha, next.sha, tag.sha]);
    const found = await server.api(`/api/builds/${builds[1]?.id ?? ""}`);
    expect(found).toMatchObject({
      pusher: "found by polling",
      authorName: "Mona Lisa",
      message: "two",
      before: first.sha,
    });
    // The one that is not there is said, and disturbs nobody; strangers are not told its name.
    const health = await server.api<{ warnings: string[] }>("/healthz");
    expect(health.warnings.join("\n")).toMatch(/acme\/typo cannot be polled/);
    const strangers = await (await fetch(`${server.url}/healthz`)).text();
    expect(strangers).toContain("1 repo cannot be polled");
    expect(strangers).not.toContain("typo");
    expect(await missedOf(server)).toEqual({ missed: 0, recovered: 0 });
  });
});

test("a clock that is set back does not end the looking until it has caught up", async () => {
  await using held = await aStore();
  let looks = 0;
  const sweep = createForgeSweep({
    store: held.store,
    intake: {
      acceptFound: () => Promise.resolve(undefined),
      acceptFoundPullRequest: () => Promise.resolve(undefined),
      acceptClosed: () => Promise.reject(new Error("Nothing was open.")),
    },
    refs: {
      list: () => {
        looks += 1;
        return Promise.resolve({ defaultBranch: "main", refs: [] });
      },
      commit: () => Promise.resolve({ authorName: "", message: "" }),
    },
    repos: ["acme/hello"],
    sweepMs: 0,
    pollMs: 1_000,
    logger: silentLogger,
  });
  sweep.start();
  await until(() => looks, 1, PATIENCE);

  held.advance(-3_600_000);

  await until(() => looks, 2, PATIENCE);
  sweep.close();
});
