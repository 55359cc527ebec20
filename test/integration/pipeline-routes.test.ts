import { expect, test } from "vitest";
import { pipelineSchema } from "../../src/shared/pipeline-schema.ts";
import { aServer } from "../support/start-server.ts";

test("the schema is open to everybody, and asked for again only when it changed", async () => {
  await using server = await aServer();

  const first = await fetch(`${server.url}/schema/v1.json`);
  const etag = first.headers.get("etag") ?? "";
  const again = await fetch(`${server.url}/schema/v1.json`, {
    headers: { "if-none-match": etag },
  });

  expect(first.headers.get("content-type")).toContain("application/schema+json");
  expect(first.headers.get("cache-control")).toContain("public");
  expect(await first.json()).toEqual(JSON.parse(JSON.stringify(pipelineSchema())));
  expect([etag === "", again.status]).toEqual([false, 304]);
});

test("what a file may name is told to whoever has the admin token", async () => {
  await using server = await aServer({ TATARA_ANONYMOUS_READ: "true" });
  const path = "/api/repos/acme/hello/names";

  const names = await server.api(path);
  const stranger = await fetch(server.url + path);

  expect(names).toMatchObject({
    repo: "acme/hello",
    channels: expect.arrayContaining([{ name: "dev", mayPublish: true }]),
    targets: expect.arrayContaining([expect.stringMatching(/^\w+\.\w+$/)]),
    secrets: [],
  });
  expect([401, 403]).toContain(stranger.status);
});
