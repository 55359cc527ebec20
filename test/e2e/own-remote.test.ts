import { expect, test } from "vitest";
import { dnfClient } from "../support/dnf-client.ts";
import { startTatara } from "../support/start-tatara.ts";
import { tinyRepo } from "../support/sample-files.ts";
import { waitForLog, waitForStatus } from "../support/wait-for.ts";

test("a push becomes a signed package that dnf installs, upgrades and downgrades, and the commit hears", async () => {
  await using tatara = await startTatara();
  const repo = await tatara.createRepo("acme/hello");
  await repo.copyFrom("examples/hello-c");
  const sha = await repo.commit({}, "first commit");

  const pushed = await repo.push();
  const first = await tatara.until("acme/hello#1", "passed");

  expect(pushed).toContain(`${tatara.url}/repos/acme/hello/1`);
  expect(first.jobs[0]?.steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
    "checkout passed",
    "image passed",
    "test passed",
    "package passed",
  ]);
  expect(await waitForStatus(tatara, "acme/hello", sha, "success")).toMatchObject({
    state: "success",
    description: "passed; published to dev",
    target_url: `${tatara.url}/repos/acme/hello/1`,
  });

  await using host = await dnfClient({ repoUrl: `${tatara.url}/yum/dev.repo` });
  expect(await host.install("hello")).toMatchObject({ code: 0 });
  expect((await host.run("hello", "--version")).output).toContain("1.0.0");
  const [installedFirst] = await host.installed("hello");

  await repo.commit({ CHANGES: "one more\n" }, "second commit");
  await repo.push();
  await tatara.until("acme/hello#2", "passed");
  expect(await host.upgrade("hello")).toMatchObject({ code: 0 });
  const [installedSecond] = await host.installed("hello");
  expect(await host.downgrade("hello")).toMatchObject({ code: 0 });

  expect(installedSecond).not.toBe(installedFirst);
  expect(await host.installed("hello")).toEqual([installedFirst]);
});

test("a rerun of the same commit makes the same packages, which are already published", async () => {
  await using tatara = await startTatara();
  const repo = await tatara.createRepo("acme/tiny", tinyRepo());
  await repo.push();
  const first = await tatara.until("acme/tiny#1", "passed");

  await tatara.api(`/api/builds/${first.id}/rerun`, { method: "POST" });
  const second = await tatara.until("acme/tiny#2", "passed");

  expect(second.publish?.state).toBe("live");
  const channel = await (await tatara.fetch("/yum/dev/debian12.x86_64/mirrorlist")).text();
  expect(channel).toContain("/g/1/");
});

test("what no rule sends to a channel is passed and kept as downloads", async () => {
  await using tatara = await startTatara();
  const repo = await tatara.createRepo("acme/tiny", tinyRepo());
  await repo.push("main");
  await tatara.until("acme/tiny#1", "passed");

  await repo.commit({ NEWS: "topic\n" }, "on a branch");
  await repo.push("main:topic");
  const build = await tatara.until("acme/tiny#2", "passed");

  expect(build.publish).toBeNull();
  const rpm = build.artifacts.find(({ fileName }) => fileName.endsWith(".noarch.rpm"));
  const download = await tatara.fetch(`/api/builds/${build.id}/artifacts/${rpm?.fileName ?? ""}`);
  expect(download.status).toBe(200);
  expect(download.headers.get("content-disposition")).toContain("attachment");
});

test("a cancelled build ends its containers and shows so on the commit", async () => {
  await using tatara = await startTatara();
  const repo = await tatara.createRepo("acme/slow", tinyRepo({ test: "echo begun; sleep 300" }));
  const sha = (await repo.git(["rev-parse", "HEAD"])).trim();
  await repo.push();
  const running = await tatara.until("acme/slow#1", "running");
  await waitForLog(tatara, "acme/slow#1", "test", "begun");

  await tatara.api(`/api/builds/${running.id}/cancel`, { method: "POST" });
  const build = await tatara.until("acme/slow#1", "cancelled");

  expect(build.jobs[0]?.steps.find(({ name }) => name === "test")?.state).toBe("cancelled");
  expect(build.jobs[0]?.steps.find(({ name }) => name === "package")?.state).toBe("skipped");
  await waitForStatus(tatara, "acme/slow", sha, "error");
});
