import { expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import type { BuildView } from "../../src/server/views.ts";
import { ADMIN_TOKEN, startWebServer } from "../support/web-server.ts";
import { tataraAt } from "../support/run-tatara.ts";

const DAY_MS = 24 * 3_600_000;
const SAID = "Its log was removed after 365 days.";

/** The sample, in which these builds have lost their files. */
async function aServerWithout(...ids: readonly string[]) {
  const server = await startWebServer();
  const { builds } = server.records;
  builds.forEach((build, index) => {
    if (!ids.includes(build.id)) return;
    const logsRemovedAt = (build.endedAt ?? 0) + 365 * DAY_MS + 5;
    builds[index] = { ...build, logsRemovedAt };
  });
  const ask = async (path: string) =>
    await fetch(server.url + path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  const page = async (path: string) => {
    const headers = { accept: "text/html", authorization: `Bearer ${ADMIN_TOKEN}` };
    const response = await fetch(server.url + path, { headers });
    return { status: response.status, text: await response.text() };
  };
  return { server, ask, page, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test.each(["", "?job=job-f&step=unit", "/rows?job=job-f&step=unit"])(
  "a log that is removed is answered 410, and says for how long it was kept (%s)",
  async (query) => {
    await using world = await aServerWithout("bld-failed");

    const response = await world.ask(`/api/builds/bld-failed/log${query}`);

    expect(response.status).toBe(410);
    expect(await response.json()).toEqual({
      error: `acme/hello #46 has no log any more. ${SAID}`,
      hint: expect.stringContaining("TATARA_KEEP_BUILDS_DAYS"),
    });
  },
);

test("a build that lost its log says since when, and all else as before", async () => {
  await using world = await aServerWithout("bld-failed");
  const json = async (id: string) =>
    (await (await world.ask(`/api/builds/${id}`)).json()) as Record<string, unknown>;

  const removed = await json("bld-failed");

  expect(removed["logsRemovedAt"]).toMatch(/^\d{4}-/);
  expect(removed["failure"]).toMatchObject({ title: expect.any(String) });
  expect((await json("bld-passed"))["logsRemovedAt"]).toBeNull();
});

test("pages say so where the log would be, and ask for none", async () => {
  await using world = await aServerWithout("bld-failed");

  const build = await world.page("/repos/acme/hello/46");
  const log = await world.page("/repos/acme/hello/46/unit");

  for (const { status, text } of [build, log]) {
    expect(status).toBe(200);
    expect(text).toContain(SAID);
    expect(text).not.toContain("<log-view");
    expect(text).not.toContain("printed nothing");
    expect(text).not.toContain(">Raw</a>");
  }
});

test("uploads that went with the log are named, and are no downloads", async () => {
  await using world = await aServerWithout("bld-unpublished");
  const build = world.server.records.builds.find(({ id }) => id === "bld-unpublished");
  const [file] = (build as BuildView).artifacts;

  const { text } = await world.page("/repos/acme/website/12");
  const answer = await world.ask(`/api/builds/bld-unpublished/artifacts/${file?.fileName ?? ""}`);

  expect(text).toContain(file?.fileName);
  expect(text).toContain("removed with the log");
  expect(text).not.toContain(`/artifacts/${file?.fileName ?? ""}`);
  expect(answer.status).toBe(410);
  expect(await answer.json()).toMatchObject({ error: expect.stringContaining("never published") });
});

test("`tatara log` says so too, and fails as for what is not there", async () => {
  await using world = await aServerWithout("bld-failed");
  const tatara = tataraAt({ url: world.server.url, adminToken: ADMIN_TOKEN });

  const ended = await tatara(["log", "46", "unit", "--repo", "acme/hello"]);

  expect(ended).toMatchObject({ code: EXIT.notFound, stdout: "" });
  expect(ended.stderr).toContain(SAID);
});
