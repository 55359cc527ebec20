import { afterAll, beforeAll, expect, test } from "vitest";
import { startForgeDouble, type ForgeDouble } from "../support/forge-double.ts";
import { exampleFiles, tinyRepo } from "../support/sample-files.ts";
import { startTatara, type Tatara } from "../support/start-tatara.ts";
import { until } from "../support/until.ts";

const SECRET = "the-current-webhook-secret";
const OLD_SECRET = "the-previous-webhook-secret";
const READ_TOKEN = "ghp_read00000000000000000000000000000000";

let forge: ForgeDouble;
let tatara: Tatara;
beforeAll(async () => {
  forge = await startForgeDouble({ readToken: READ_TOKEN });
  tatara = await startTatara({
    env: {
      TATARA_GITHUB_URL: forge.url,
      TATARA_GITHUB_API_URL: forge.apiUrl,
      TATARA_GITHUB_READ_TOKEN: READ_TOKEN,
      TATARA_GITHUB_STATUS_TOKEN: forge.statusToken,
      TATARA_GITHUB_WEBHOOK_SECRET: `${SECRET},${OLD_SECRET}`,
      TATARA_HTTP_FORGES: forge.url,
      TATARA_REPOS: "acme/*",
    },
  });
  forge.hook.set({ url: `${tatara.url}/webhooks/github`, secret: SECRET });
});
afterAll(async () => {
  await tatara[Symbol.asyncDispose]();
  await forge[Symbol.asyncDispose]();
});

interface Refused {
  readonly refusedStatus: { readonly state: string } | null;
}

const lastState = (sha: string) => forge.api.statusesOf(sha).at(-1)?.state;
const reported = (sha: string | null, state: string) =>
  until(() => lastState(sha ?? ""), state, { deadlineMs: 300_000 });

test("a signed push is cloned, built and published, and GitHub hears pending, then success, once each at the end", async () => {
  const repo = await forge.addRepo("acme/hello", { files: await exampleFiles("hello-c") });
  const push = await repo.commit({ NEWS: "first\n" }, { message: "first" });

  const answer = await forge.hook.push(push);
  await reported(push.sha, "success");

  expect(answer).toMatchObject({ status: 202, body: { kind: "accepted" } });
  const states = forge.api.statusesOf(push.sha ?? "").map(({ state }) => state);
  expect(states.filter((state) => state !== "pending")).toEqual(["success"]);
  expect(states[0]).toBe("pending");
  const build = await tatara.build("acme/hello#1");
  expect(build.publish?.state).toBe("live");
});

test("a failing test is a failure with the test's name in the description", async () => {
  const files = await exampleFiles("hello-c");
  const repo = await forge.addRepo("acme/failing", { files });
  const source = (files["src/hello.c"] ?? "").replace("Hello, ", "Howdy, ");
  const push = await repo.commit({ "src/hello.c": source });

  await forge.hook.push(push);
  await reported(push.sha, "failure");

  const build = await tatara.build("acme/failing#1");
  const description = forge.api.statusesOf(push.sha ?? "").at(-1)?.description;
  expect(description).toContain(build.failure?.title.slice(0, 30));
});

test("a hundred redeliveries in parallel make one build, with old and new ids", async () => {
  const repo = await forge.addRepo("acme/often", { files: tinyRepo({ name: "often" }) });
  const push = await repo.commit({ NEWS: "x\n" });
  const { deliveryId } = await forge.hook.push(push);

  const answers = await Promise.all(
    Array.from({ length: 100 }, (_none, index) =>
      forge.hook.redeliver(deliveryId, { asNew: index % 2 === 1 }),
    ),
  );

  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const { builds } = (await tatara.api("/api/builds?repo=acme/often")) as { builds: unknown[] };
  expect(builds).toHaveLength(1);
  await reported(push.sha, "success");
});

test("the previous secret still works during rotation; an unknown one does not", async () => {
  const repo = await forge.addRepo("acme/rotated", { files: tinyRepo({ name: "rotated" }) });
  const push = await repo.commit({ NEWS: "x\n" });
  const url = `${tatara.url}/webhooks/github`;

  forge.hook.set({ url, secret: "an-unknown-secret-indeed" });
  const forged = await forge.hook.push(push);
  forge.hook.set({ url, secret: OLD_SECRET });
  const rotated = await forge.hook.push(push);
  forge.hook.set({ url, secret: SECRET });

  expect(forged.status).toBe(401);
  expect(rotated.status).toBe(202);
  await reported(push.sha, "success");
});

test("annotated and light tags are built by their commit", async () => {
  const repo = await forge.addRepo("acme/tags", { files: tinyRepo({ name: "tags" }) });
  const light = await repo.tag("v1.0");
  const annotated = await repo.tag("v1.1", { annotation: "a release" });

  await forge.hook.push(light);
  await forge.hook.push(annotated);

  await tatara.until("acme/tags#1", "passed");
  const build = await tatara.until("acme/tags#2", "passed");
  expect(build.sha).toBe(annotated.sha);
  expect(build.sha).not.toBe(annotated.after);
});

test("a deleted branch, another branch and a skip marker leave rows and build nothing", async () => {
  const repo = await forge.addRepo("acme/quiet", { files: tinyRepo({ name: "quiet" }) });
  const topic = await repo.commit({ NEWS: "t\n" }, { branch: "topic" });
  // Only its file says whether a branch is built.
  expect((await forge.hook.push(topic)).status).toBe(202);
  const other = await tatara.until("acme/quiet#1", "skipped");
  const answers = [
    await forge.hook.push(await repo.deleteRef("refs/heads/topic")),
    await forge.hook.push(await repo.commit({ NEWS: "s\n" }, { message: "docs [skip ci]" })),
  ];

  expect(other.reason).toContain("topic");
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  for (const number of [2, 3]) {
    expect((await tatara.build(`acme/quiet#${number}`)).state).toBe("skipped");
  }
});

test("a force-push builds the new commit; the one that is gone is tried again and never shows success", async () => {
  const repo = await forge.addRepo("acme/forced", { files: tinyRepo({ name: "forced" }) });
  const lost = await repo.commit({ NEWS: "lost\n" });
  const push = await repo.forcePush({ NEWS: "forced\n" });
  await repo.forgetUnreachable();
  expect(await repo.has(lost.sha ?? "")).toBe(false);

  // Its delivery comes late: by then nobody has the commit. A webhook may be earlier than its commit,
  // too, so it is tried again, for minutes.
  await forge.hook.push(lost);
  const saysGone = async () => {
    const { jobs } = await tatara.build("acme/forced#1");
    return [jobs[0]?.state, jobs[0]?.reason?.includes("has no commit")];
  };
  await until(saysGone, ["queued", true], { deadlineMs: 300_000 });
  // What is pushed later would publish after it, so it is not waited for.
  await tatara.client.cancel((await tatara.build("acme/forced#1")).id);
  await forge.hook.push(push);

  const build = await tatara.until("acme/forced#2", "passed");
  expect(build.sha).toBe(push.sha);
  await reported(push.sha, "success");
  const gone = await tatara.until("acme/forced#1", "cancelled");
  expect(gone.sha).toBe(lost.sha);
  expect(forge.api.statusesOf(lost.sha ?? "").map(({ state }) => state)).not.toContain("success");
  // GitHub takes no status for a commit that it does not have: that is told, and stops nothing.
  const refused = async () => {
    const told = (await tatara.api(`/api/builds/${gone.id}`)) as typeof gone & Refused;
    return told.refusedStatus?.state;
  };
  await until(refused, "error");
});

test("a ping, an unknown event and a repo outside the patterns are answered 200 with the reason", async () => {
  const outside = await forge.addRepo("evil/hello", { files: tinyRepo() });
  const answers = [
    await forge.hook.event("ping"),
    await forge.hook.event("star"),
    await forge.hook.push(await outside.commit({ NEWS: "x\n" })),
  ];

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  for (const { body } of answers) expect(body["reason"]).toMatch(/\w/);
  const { builds } = (await tatara.api("/api/builds?repo=evil/hello")) as { builds: unknown[] };
  expect(builds).toEqual([]);
});

test("a body of 30 MB is refused with 413", async () => {
  const response = await fetch(`${tatara.url}/webhooks/github`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": "large-1",
      "x-hub-signature-256": `sha256=${"0".repeat(64)}`,
    },
    body: Buffer.alloc(30 * 1024 * 1024, 32),
  }).catch((err: unknown) => err);

  // The connection is closed under a sender that does not stop; both are a refusal.
  if (response instanceof Response) expect(response.status).toBe(413);
  expect((await tatara.fetch("/healthz")).status).toBe(200);
});

test("statuses wait out an outage of the forge and are right in the end", async () => {
  const repo = await forge.addRepo("acme/outage", { files: tinyRepo({ name: "outage" }) });
  const push = await repo.commit({ NEWS: "x\n" });
  forge.api.inject({ method: "POST", times: 1_000, fault: { kind: "status", status: 502 } });

  await forge.hook.push(push);
  await tatara.until("acme/outage#1", "passed");
  forge.api.heal();

  await reported(push.sha, "success");
});
