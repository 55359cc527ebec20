import { expect, test } from "vitest";
import { ADMIN_TOKEN, startWebServer, type WebServer } from "../support/web-server.ts";

const HTML = { Accept: "text/html" };

test("without a token nothing is read, and the answer says how", async () => {
  await using server = await startWebServer();

  for (const path of ["/api/builds", "/api/builds/bld-failed", "/api/builds/bld-failed/log"]) {
    const response = await get(server, path, {});
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    expect(await response.json()).toMatchObject({ hint: expect.stringContaining("admin-token") });
  }
});

test.each(["wrong", ADMIN_TOKEN.slice(1), ""])("token %j is refused", async (token) => {
  await using server = await startWebServer();

  const response = await get(server, "/api/builds", { Authorization: `Bearer ${token}` });

  expect(response.status).toBe(401);
});

test("a browser gets the sign-in page in place of any page, and comes back to it", async () => {
  await using server = await startWebServer();

  for (const path of ["/", "/repos/acme/hello/46?job=x", "/nowhere"]) {
    const response = await get(server, path, HTML);
    const text = await response.text();
    expect(response.status).toBe(401);
    expect(text).toContain("Sign in");
    expect(text).toContain(`name="next" value="${path}"`);
    expect(text).not.toContain("acme/hello #");
  }
});

test("anonymous reading opens reading only", async () => {
  await using server = await startWebServer({ anonymousRead: true });

  const read = await get(server, "/api/builds/bld-failed", {});
  const acted = await fetch(`${server.url}/api/builds/bld-failed/rerun`, { method: "POST" });
  const clicked = await fetch(`${server.url}/builds/bld-failed/rerun`, {
    method: "POST",
    headers: HTML,
  });

  expect([read.status, acted.status, clicked.status]).toEqual([200, 401, 401]);
  expect(server.acts).toEqual([]);
});

test("a sign-in link works once, sets a cookie that scripts cannot read, and stays on this server", async () => {
  await using server = await startWebServer();

  const first = await get(server, "/login?t=one-time&next=//evil.example/", {});
  const second = await get(server, "/login?t=one-time", {});

  expect(first.status).toBe(303);
  expect(first.headers.get("location")).toBe("/");
  expect(first.headers.get("set-cookie")).toMatch(/^tatara=browser-token;.*HttpOnly; SameSite=Lax/);
  expect(second.status).toBe(401);
  expect(await second.text()).toContain("used already");
});

test.each([
  ["/repos/acme/hello/46?job=1#L3", "/repos/acme/hello/46?job=1#L3"],
  ["https://evil.example/", "/"],
  ["//evil.example/", "/"],
  ["/\\evil.example/", "/"],
  ["/\t/evil.example/", "/"],
  ["/.//evil.example/", "/"],
  ["/a/..//evil.example/", "/"],
  ["javascript:alert(1)", "/"],
])("after signing in, next=%j leads to %j", async (next, place) => {
  await using server = await startWebServer();

  const response = await signIn(server, { token: ADMIN_TOKEN, next });

  expect(response.status).toBe(303);
  expect(response.headers.get("location")).toBe(place);
});

test("the admin token signs a browser in, until the token is another one", async () => {
  await using server = await startWebServer();
  const wrong = await signIn(server, { token: "wrong" });
  const right = await signIn(server, { token: ADMIN_TOKEN });
  const cookie = right.headers.get("set-cookie")?.split(";")[0] ?? "";

  const entered = await get(server, "/", { ...HTML, Cookie: cookie });
  await using other = await startWebServer({ adminToken: "another-admin-token-0123456789" });
  const refused = await get(other, "/", { ...HTML, Cookie: cookie });

  expect(wrong.status).toBe(401);
  expect(wrong.headers.get("set-cookie")).toBeNull();
  expect(entered.status).toBe(200);
  expect(refused.status).toBe(401);
});

test("over https the cookie is bound to the host", async () => {
  await using server = await startWebServer({ publicUrlOf: () => "https://ci.example.com" });

  const response = await signIn(server, { token: ADMIN_TOKEN });

  expect(response.headers.get("set-cookie")).toMatch(/^__Host-tatara=.*; Path=\/;.*Secure/);
});

test.each([
  ["another site's page", { "Sec-Fetch-Site": "cross-site" }],
  ["a sibling's page", { "Sec-Fetch-Site": "same-site" }],
  ["an old browser on another page", { Origin: "https://evil.example" }],
  ["a page without an origin", { Origin: "null" }],
  ["something that says nothing", {}],
])("a cookie sent by %s changes nothing", async (_name, headers) => {
  await using server = await startWebServer();
  const Cookie = "tatara=browser-token";

  for (const path of ["/builds/bld-running/cancel", "/api/builds/bld-running/cancel", "/logout"]) {
    const response = await fetch(server.url + path, {
      method: "POST",
      headers: { ...HTML, ...headers, Cookie },
      redirect: "manual",
    });
    expect(response.status).toBe(403);
  }
  expect(server.acts).toEqual([]);
});

test("signing in from another site's page is refused too", async () => {
  await using server = await startWebServer();

  const response = await fetch(`${server.url}/login`, {
    method: "POST",
    headers: {
      Origin: "https://evil.example",
      "Content-Type": "application/x-www-form-urlencoded",
    },
    body: `token=${ADMIN_TOKEN}`,
    redirect: "manual",
  });

  expect(response.status).toBe(403);
  expect(response.headers.get("set-cookie")).toBeNull();
});

async function get(server: WebServer, path: string, headers: Record<string, string> = {}) {
  return await fetch(server.url + path, { headers, redirect: "manual" });
}

async function signIn(server: WebServer, fields: Record<string, string>): Promise<Response> {
  return await fetch(`${server.url}/login`, {
    method: "POST",
    headers: { Origin: server.url, "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString(),
    redirect: "manual",
  });
}
