import { expect, test } from "vitest";
import {
  pullRequestPayload,
  pushPayload,
  send,
  signedRequest,
  type PullRequestToTell,
} from "../support/github-deliveries.ts";
import { aServer, type TestServer } from "../support/start-server.ts";

const SECRET = "a-webhook-secret-of-32-characters";
const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(40)) as [string, string, string];
const BASE = "d".repeat(40);

interface Build {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly ref: string;
  readonly event: string;
}

const started = () => aServer({ TATARA_GITHUB_WEBHOOK_SECRET: SECRET });

async function deliver(server: TestServer, some: Partial<PullRequestToTell> = {}) {
  const told = { action: "opened", repo: "acme/hello", number: 12, headSha: A, baseSha: BASE };
  const payload = pullRequestPayload({ ...told, ...some });
  return await send(
    `${server.url}/webhooks/github`,
    signedRequest("pull_request", payload, SECRET),
  );
}

const builds = async (server: TestServer): Promise<readonly Build[]> =>
  (await server.api<{ builds: Build[] }>("/api/builds")).builds.toReversed();

const post = (server: TestServer, path: string, form = "") =>
  fetch(server.url + path, {
    method: "POST",
    redirect: "manual",
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: form,
  });

test("opened, told twice, moved on and closed", async () => {
  await using server = await started();
  expect(await deliver(server)).toMatchObject({ status: 202, body: { kind: "accepted" } });
  expect(await deliver(server)).toMatchObject({ status: 200, body: { kind: "duplicate" } });
  const moved = await deliver(server, { action: "synchronize", headSha: B, before: A });
  expect(moved).toMatchObject({ status: 202, body: { build: { number: 2 } } });
  expect(await builds(server)).toMatchObject([
    { event: "pull-request", ref: "refs/pull/12/head", state: "queued" },
    { event: "pull-request", ref: "refs/pull/12/head", state: "queued" },
  ]);
  const closed = await deliver(server, { action: "closed", headSha: B });
  expect(closed).toMatchObject({
    status: 200,
    body: { kind: "ignored", reason: "pull request 12 was closed" },
  });
  expect((await builds(server)).map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  const told = await deliver(server, { action: "closed", headSha: B });
  expect(told.body).toMatchObject({ reason: "this delivery is known" });
  // Opened again its head is built again: what was cancelled proves nothing.
  const again = await deliver(server, { action: "reopened", headSha: B });
  expect(again).toMatchObject({ status: 202, body: { build: { number: 3 } } });
});

test("a stranger's waits, is approved on its page, and a newer push voids what waited", async () => {
  await using server = await started();
  const fork = { headRepoId: 4711, association: "FIRST_TIMER" };
  await deliver(server, fork);
  const [first] = await builds(server);
  expect(first?.reason).toBe("waits for approval: its author is new here");
  const page = await (
    await fetch(`${server.url}/repos/acme/hello/1`, {
      headers: { authorization: `Bearer ${server.adminToken}`, accept: "text/html" },
    })
  ).text();
  expect(page).toContain(`/builds/${first?.id}/approve`);
  expect((await post(server, `/builds/${first?.id}/approve`)).status).toBe(303);
  const approved = await server.api<Record<string, unknown>>(`/api/builds/${first?.id}`);
  expect(approved).toMatchObject({
    waitReason: null,
    note: "approved by admin, with the base branch's pipeline file",
  });

  await deliver(server, { ...fork, action: "synchronize", headSha: B, before: A });
  await deliver(server, { ...fork, action: "synchronize", headSha: C, before: B });
  await expect
    .poll(async () => (await builds(server)).map(({ state, reason }) => [state, reason]))
    .toEqual([
      ["queued", "waiting for a worker"],
      ["cancelled", "superseded by #3"],
      ["queued", "waits for approval: its author is new here"],
    ]);
});

test("nobody approves without the admin token", async () => {
  await using server = await started();
  await deliver(server, { headRepoId: 4711, association: "NONE" });
  const [build] = await builds(server);
  for (const path of [`/builds/${build?.id}/approve`, `/api/builds/${build?.id}/approve`]) {
    expect((await fetch(server.url + path, { method: "POST" })).status).toBe(401);
  }
  expect((await builds(server))[0]?.reason).toContain("waits for approval");
});

test("a push to another branch is looked at, and sets no status meanwhile", async () => {
  await using server = await started();
  const push = { repo: "acme/hello", ref: "refs/heads/topic", before: A, after: B, sha: B };
  const url = `${server.url}/webhooks/github`;
  const answer = await send(url, signedRequest("push", pushPayload(push), SECRET));
  expect(answer.status).toBe(202);
  expect(await server.api<unknown[]>(`/api/repos/acme/hello/statuses/${B}`)).toEqual([]);
  expect(await builds(server)).toMatchObject([{ state: "queued", ref: "refs/heads/topic" }]);
});
