import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { processesThatMention } from "../support/leftover-processes.ts";
import { startUp, upFolder } from "../support/start-up.ts";
import { until } from "../support/until.ts";

test("up prints a link that signs in, and ends everything on SIGTERM", async () => {
  await using place = await upFolder();
  const up = startUp(place.dataDir, []);
  const link = await up.lineLike(/^ {2}Open {2}(http:\S+)/);

  const signedIn = await fetch(link, { redirect: "manual" });
  const again = await fetch(link, { redirect: "manual" });
  expect([signedIn.status, again.status]).toEqual([303, 401]);
  expect(
    up
      .lines()
      .slice(0, 5)
      .map((line) => line.slice(0, 20).trimEnd()),
  ).toEqual([
    "  ok    settings",
    "  ok    docker",
    "  ok    signing key",
    "  ok    workers",
    expect.stringMatching(/^ready in \d/),
  ]);

  up.child.kill("SIGTERM");
  expect(await up.end()).toBe(0);
  expect(await processesThatMention(place.dataDir)).toEqual([]);
});

test("up that is killed leaves no process, and the next one starts in the same folder", async () => {
  await using place = await upFolder();
  const first = startUp(place.dataDir, ["--json"]);
  const ready = JSON.parse(await first.lineLike(/^(\{.*)/)) as { url: string };
  const token = await readFile(join(place.dataDir, "admin-token"), "utf8");

  first.child.kill("SIGKILL");
  const second = startUp(place.dataDir, ["--json"]);
  const next = JSON.parse(await second.lineLike(/^(\{.*)/)) as { url: string; ready: boolean };

  expect(next.ready).toBe(true);
  await expect(fetch(`${ready.url}/healthz`)).rejects.toThrow("fetch failed");
  expect(await readFile(join(place.dataDir, "admin-token"), "utf8")).toBe(token);

  second.child.kill("SIGINT");
  await second.end();
  await until(() => processesThatMention(place.dataDir), []);
});

test("up says all that is wrong with the settings of any process, and starts nothing", async () => {
  await using place = await upFolder();
  const env = { TATARA_BUILD_SLOTS: "many", TATARA_GITHUB_STATUS_TOKEN: "short" };

  const up = startUp(place.dataDir, [], env);

  expect(await up.end()).toBe(2);
  expect(up.complaints()).toContain("TATARA_BUILD_SLOTS=many: a whole number from 1 to 64");
  expect(up.complaints()).toContain("TATARA_GITHUB_STATUS_TOKEN is shorter than 16 characters");
  expect(await readdir(place.dataDir)).toEqual([]);
});
