import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aServer, type TestServer } from "../support/start-server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await aServer({ TATARA_ANONYMOUS_READ: "true" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(
  method: string,
  path: string,
  json?: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${server.adminToken}` },
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: { ...headers, "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const CHANGING = [
  ["POST", "/api/changes"],
  ["POST", "/api/changes?dry-run=1"],
  ["POST", "/api/sweeps"],
  ["POST", "/api/allowances"],
  ["POST", "/api/names/hello"],
  ["POST", "/api/channels"],
  ["PATCH", "/api/channels/dev"],
  ["DELETE", "/api/channels/dev"],
  ["POST", "/api/channels/dev/pins"],
  ["POST", "/api/channels/dev/import"],
  ["PUT", "/api/channels/dev/el9.x86_64/extras/group"],
  ["DELETE", "/api/channels/dev/el9.x86_64/extras/group"],
] as const;

describe("who may ask", () => {
  test("everybody may read where reading is open, and nobody may change without the token", async () => {
    const anonymous = await ask("GET", "/api/channels", undefined, {});
    expect(anonymous).toMatchObject({
      status: 200,
      body: { channels: [{ name: "dev" }, { name: "stable" }, { name: "testing" }] },
    });
    for (const [method, path] of CHANGING) {
      expect(await ask(method, path, {}, {}), path).toMatchObject({ status: 401 });
      const wrong = { authorization: "Bearer not-the-token" };
      expect(await ask(method, path, {}, wrong), path).toMatchObject({ status: 401 });
    }
  });

  test("a signed-in browser's request from another site changes nothing", async () => {
    const page = await fetch(server.loginUrl, { redirect: "manual" });
    const confirmed = await fetch(server.loginUrl, {
      method: "POST",
      redirect: "manual",
      headers: { origin: server.url },
    });
    const cookie = [page, confirmed].flatMap((each) => each.headers.getSetCookie()).at(-1) ?? "";
    const headers = { cookie: cookie.split(";")[0] ?? "" };

    for (const [method, path] of CHANGING) {
      const foreign = {
        ...headers,
        origin: "https://evil.example",
        "sec-fetch-site": "cross-site",
      };
      expect(await ask(method, path, {}, foreign), path).toMatchObject({ status: 403 });
    }
    const own = { ...headers, origin: server.url, "sec-fetch-site": "same-origin" };
    expect(await ask("POST", "/api/channels", { name: "from-a-page" }, own)).toMatchObject({
      status: 201,
    });
  });
});

describe("what is asked for", () => {
  test.each([
    ["POST", "/api/changes", {}, "kind"],
    ["POST", "/api/changes", { kind: "explode" }, "kind"],
    ["POST", "/api/changes", { kind: "promote" }, "to"],
    ["POST", "/api/changes", { kind: "yank", packages: [] }, "packages"],
    ["POST", "/api/changes", { kind: "undo", channel: "dev", to: -1 }, "to"],
    ["POST", "/api/channels", { name: "../etc" }, "name"],
    ["POST", "/api/channels", { name: "x", unknown: 1 }, "unknown"],
    ["PATCH", "/api/channels/dev", { settings: { compression: "xz" } }, "settings.compression"],
    ["PATCH", "/api/channels/dev", { settings: { hue: 1 } }, "hue"],
    ["POST", "/api/channels/dev/pins", { generation: "1" }, "generation"],
    ["POST", "/api/channels/dev/pins", {}, "either a generation or a nevra"],
    ["POST", "/api/channels/dev/import", { target: "el9.x86_64", folder: "x" }, "folder"],
    ["POST", "/api/allowances", { repo: "acme/x", rule: "all", subject: "y" }, "rule"],
    ["POST", "/api/names/hello", { repo: "nobody" }, "repo"],
    ["POST", "/api/names/..%2Fx", { repo: "acme/x" }, "name"],
    ["PUT", "/api/channels/dev/el9/extras/group", "x", "address"],
    ["PUT", "/api/channels/dev/el9.x86_64/extras/else", "x", "address"],
    ["GET", "/api/packages?limit=0", undefined, "limit"],
  ] as const)("%s %s with %j is refused, naming %s", async (method, path, json, named) => {
    const { status, body } = await ask(method, path, json);

    expect(status).toBe(400);
    expect(body["error"]).toContain(named);
    expect(body["hint"]).toEqual(expect.any(String));
  });

  test.each([
    ["GET", "/api/channels/nowhere", undefined],
    ["GET", "/api/channels/nowhere/generations", undefined],
    ["GET", "/api/channels/dev/generations/1/diff", undefined],
    ["PATCH", "/api/channels/nowhere", { settings: {} }],
    ["DELETE", "/api/channels/nowhere", undefined],
    ["POST", "/api/channels/nowhere/pins", { generation: 1 }],
    ["POST", "/api/channels/nowhere/import", { target: "el9.x86_64", folder: "/x" }],
    ["GET", "/api/packages/nothing", undefined],
    ["GET", "/api/packages/nothing/nothing-1-1.x86_64", undefined],
    ["GET", "/api/changes/p-none", undefined],
    ["POST", "/api/changes", { kind: "undo", channel: "nowhere" }],
    ["POST", "/api/changes?dry-run=1", { kind: "promote", packages: ["x"], to: "stable" }],
  ] as const)("%s %s finds nothing and says what to do", async (method, path, json) => {
    const { status, body } = await ask(method, path, json);

    expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(410);
    expect(body).toMatchObject({ error: expect.any(String), hint: expect.any(String) });
  });

  test("a body that is no JSON or too large is refused as such", async () => {
    const headers = {
      authorization: `Bearer ${server.adminToken}`,
      "content-type": "application/json",
    };
    const post = (body: string) =>
      fetch(`${server.url}/api/channels`, { method: "POST", headers, body });

    expect((await post("{")).status).toBe(400);
    expect((await post(JSON.stringify({ name: "x".repeat(100_000) }))).status).toBe(413);
  });
});

describe("channels", () => {
  test("are made, shown, set and deleted", async () => {
    const made = await ask("POST", "/api/channels", { name: "beta", expireDays: 1 });
    const patched = await ask("PATCH", "/api/channels/beta", {
      settings: { retention: { keepVersions: 2 } },
      expireDays: null,
    });
    const shown = await ask("GET", "/api/channels/beta");
    const deleted = await ask("DELETE", "/api/channels/beta");

    expect(made).toEqual({ status: 201, body: { name: "beta", publishId: null } });
    expect(patched).toEqual({ status: 200, body: { publishId: null } });
    expect(shown).toMatchObject({
      status: 200,
      body: {
        name: "beta",
        url: `${server.url}/channels/beta`,
        repoFileUrl: `${server.url}/yum/beta.repo`,
        head: 0,
        parent: null,
        expiresAt: null,
        targets: [],
        generations: [],
        settings: { retention: { keepVersions: 2 } },
      },
    });
    expect(deleted).toEqual({ status: 200, body: { deleted: "beta" } });
    expect((await ask("GET", "/api/channels/beta")).status).toBe(404);
  });

  test("allowances are listed as long as they hold", async () => {
    const wish = { repo: "acme/hello", rule: "epoch", subject: "hello" };
    await ask("POST", "/api/allowances", wish);
    const given = await ask("GET", "/api/allowances?repo=acme/hello");
    await ask("POST", "/api/allowances", { ...wish, isAllowed: false });

    expect(given.body).toMatchObject({ allowances: [{ ...wish, by: "admin" }] });
    expect((await ask("GET", "/api/allowances")).body).toEqual({ allowances: [] });
  });
});
