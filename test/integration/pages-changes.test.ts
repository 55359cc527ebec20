import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChangeRequest } from "../../src/shared/channel-changes.ts";
import { readStore } from "../../src/server/store/read.ts";
import { openPage, shoot, startBrowser } from "../support/browser.ts";
import { changesWorld, type ChangesWorld } from "../support/changes-world.ts";
import { startWebServer, streaming, type WebServer } from "../support/web-server.ts";

const HELLO = "hello-1.0-1.el9.x86_64";
const NEWER = "hello-2.0-1.el9.x86_64";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

/** The real pages on real records; only the publish worker writes no files. */
async function startPages(world: ChangesWorld, isOpen = false): Promise<WebServer> {
  return await startWebServer({
    read: readStore(world.store, { liveSince: () => 1 }),
    changes: world.changes,
    channelActions: world.actions,
    anonymousRead: isOpen,
  });
}

async function signedIn(server: WebServer, options: { readonly javaScriptEnabled?: boolean } = {}) {
  const opened = await openPage(browser, options);
  await opened.page.goto(`${server.url}/login?t=one-time`);
  return opened;
}

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

describe("without scripts", () => {
  test("a package is promoted to stable after its name is typed", async () => {
    await using world = await changesWorld();
    await using server = await startPages(world);
    await world.publish([HELLO]);
    const { page, complaints } = await signedIn(server, { javaScriptEnabled: false });

    await page.goto(`${server.url}/packages/hello`);
    await page.getByLabel("Channel to promote to").selectOption("stable");
    await button(page, "Promote…").click();

    expect(await page.locator("h1").textContent()).toBe(`${HELLO}: dev → stable`);
    expect(await world.listed("stable")).toEqual([]);
    await page.getByLabel("Note").fill("verified");
    await page.getByLabel("Type hello to confirm").fill("hullo");
    await button(page, "Promote to stable").click();
    expect(await page.getByRole("alert").textContent()).toContain("Type hello");
    expect(await page.getByLabel("Note").inputValue()).toBe("verified");
    expect(await world.listed("stable")).toEqual([]);

    await page.getByLabel("Type hello to confirm").fill("hello");
    await button(page, "Promote to stable").click();
    await page.waitForURL("**/changes/*");
    await shoot(page, "flow-promoted-no-script");
    expect(await world.listed("stable")).toEqual([`el9.x86_64 ${HELLO}`]);
    expect(await page.locator("main").textContent()).toMatch(/stable generation 1.*in \d+ms/s);
    await page.reload();
    expect(await world.listed("stable")).toHaveLength(1);
    expect(complaints.filter((line) => !line.includes("422"))).toEqual([]);
  });

  test("undo asks for the name too where hosts of production are concerned", async () => {
    await using world = await changesWorld();
    await using server = await startPages(world);
    await world.publish([HELLO]);
    await done(world, { ...promotion(HELLO), to: "stable" });
    await world.publish([NEWER]);
    const { page } = await signedIn(server, { javaScriptEnabled: false });
    await page.goto(`${server.url}/change?kind=promote&package=hello&to=stable`);
    await page.getByLabel("Type hello to confirm").fill("hello");
    await button(page, "Promote to stable").click();
    await page.waitForURL("**/changes/*");

    await button(page, "Undo").click();
    expect(await page.getByRole("alert").textContent()).toContain("Type hello");
    expect(await world.listed("stable")).toHaveLength(2);
    await page.getByLabel("Type hello to confirm").fill("hello");
    await button(page, "Undo").click();
    await page.waitForURL("**/changes/*");

    expect(await world.listed("stable")).toEqual([`el9.x86_64 ${HELLO}`]);
  });

  test("undo is one button where nothing is to be confirmed", async () => {
    await using world = await changesWorld();
    await using server = await startPages(world);
    await world.publish([HELLO]);
    await world.publish([NEWER]);
    await done(world, promotion(HELLO));
    const { page } = await signedIn(server, { javaScriptEnabled: false });

    await page.goto(`${server.url}/change?kind=promote&package=hello&to=testing`);
    await button(page, "Promote to testing").click();
    await page.waitForURL("**/changes/*");
    expect(await world.listed("testing")).toHaveLength(2);
    await button(page, "Undo").click();
    await page.waitForURL("**/changes/*");

    expect(await world.listed("testing")).toEqual([`el9.x86_64 ${HELLO}`]);
    expect(await page.locator("h1").textContent()).toContain("back to what generation 1 listed");
  });

  test("a yank needs a reason, which everybody then reads beside the package", async () => {
    await using world = await changesWorld();
    await using server = await startPages(world);
    await world.publish([HELLO]);
    const { page } = await signedIn(server, { javaScriptEnabled: false });

    await page.goto(`${server.url}/change?kind=yank&package=${HELLO}`);
    expect(await page.getByLabel("Reason").getAttribute("required")).not.toBeNull();
    await page.getByLabel("Reason").fill("eats configuration files");
    await page.getByLabel("Refuse downloads").check();
    await button(page, "Yank").click();
    await page.waitForURL("**/changes/*");
    await page.goto(`${server.url}/packages/hello`);

    expect(await world.listed("dev")).toEqual([]);
    expect(await page.locator(".notice").textContent()).toMatch(
      /eats configuration files.*refused/s,
    );
  });

  test("a generation is pinned, and packages are looked for", async () => {
    await using world = await changesWorld();
    await using server = await startPages(world);
    await world.publish([HELLO, "libgreet-1.0-1.el9.x86_64"]);
    const { page } = await signedIn(server, { javaScriptEnabled: false });

    await page.goto(`${server.url}/channels/dev`);
    await button(page, "Pin").click();
    await page.waitForURL("**/channels/dev#g1");
    expect(await page.locator("#g1").textContent()).toContain("pinned");
    await page.goto(`${server.url}/packages`);
    await page.getByLabel("Find a package").fill("greet");
    await button(page, "Find").click();

    expect(await page.locator("tbody tr").count()).toBe(1);
    expect(await page.locator("tbody").textContent()).toContain("libgreet");
  });
});

test("what a promotion would change is counted as its sheet lists it", async () => {
  await using world = await changesWorld();
  const read = readStore(world.store, { liveSince: () => 1 });
  await world.publish([HELLO, "libgreet-1.0-1.el9.x86_64", "libgreet-1.0-1.el9.src"]);
  await done(world, promotion(HELLO));
  await world.publish([NEWER]);
  const counts = async () => {
    const channels = await read.listChannels();
    const [dev, testing] = ["dev", "testing"].map((name) =>
      channels.find((channel) => channel.name === name),
    );
    if (dev === undefined || testing === undefined) throw new Error("Every server has both.");
    return await read.promotionCounts(dev, testing);
  };

  expect(await counts()).toEqual({ added: 1, updated: 1 });
  await done(world, { ...promotion(NEWER), packages: [], all: true, from: "dev" });
  expect(await counts()).toEqual({ added: 0, updated: 0 });
});

test("a sheet can be filled in and sent with the keyboard alone", async () => {
  await using world = await changesWorld();
  await using server = await startPages(world);
  await world.publish([HELLO]);
  const { page, complaints } = await signedIn(server);
  await page.goto(`${server.url}/change?kind=promote&package=hello&to=stable`);

  await page.getByLabel("Note").focus();
  await page.keyboard.type("g c");
  await page.keyboard.press("Tab");
  await page.keyboard.type("hello");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/changes/*");

  expect(await world.listed("stable")).toEqual([`el9.x86_64 ${HELLO}`]);
  expect(complaints).toEqual([]);
});

test("what changed since the sheet was drawn is shown before anything is done", async () => {
  await using world = await changesWorld();
  await using server = await startPages(world);
  await world.publish([HELLO]);
  const { page } = await signedIn(server);
  await page.goto(`${server.url}/change?kind=promote&package=${HELLO}&to=testing`);

  await world.publish([NEWER]);
  await done(world, promotion(NEWER));
  await button(page, "Promote to testing").click();

  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).toContain("meanwhile");
  expect(await world.listed("testing")).toEqual([`el9.x86_64 ${NEWER}`]);
  await button(page, "Promote to testing").click();
  await page.waitForURL("**/changes/*");
  expect(await world.listed("testing")).toHaveLength(2);
});

test("a change that waits says so, and tells by itself when it is live", async () => {
  await using world = await changesWorld();
  await using server = await startPages(world);
  await world.publish([HELLO]);
  world.hold();
  const publishId = await world.changes.ask(promotion(HELLO), "admin");
  if (typeof publishId !== "string") throw new Error("There is something to promote.");
  const { page } = await signedIn(server);
  await page.goto(`${server.url}/changes/${publishId}`);
  expect(await page.locator("h1").textContent()).toBe("Waiting");
  await streaming(server, 1);

  await world.release();
  server.live.publishChanged({ id: publishId, channels: ["testing"] });

  // Sooner than pages look again by themselves.
  await page.locator(".card-live").waitFor({ timeout: 10_000 });
  expect(await page.title()).toBe("Live: change · Tatara");
});

test("neither readers nor other sites change anything", async () => {
  await using world = await changesWorld();
  await using server = await startPages(world, true);
  await world.publish([HELLO]);
  const body = new URLSearchParams({ kind: "promote", package: HELLO, to: "testing" });
  const post = (path: string, headers: Record<string, string>): Promise<Response> =>
    fetch(server.url + path, { method: "POST", body, headers, redirect: "manual" });

  const sheet = await fetch(`${server.url}/change?${body.toString()}`);
  const byReader = await post("/change", { "Sec-Fetch-Site": "same-origin", Accept: "text/html" });
  const byOtherSite = await post("/change", {
    Cookie: "tatara=browser-token",
    "Sec-Fetch-Site": "cross-site",
    Accept: "text/html",
  });
  const pinnedByOtherSite = await post("/channels/dev/pins", {
    Cookie: "tatara=browser-token",
    "Sec-Fetch-Site": "cross-site",
    Accept: "text/html",
  });

  expect(sheet.status).toBe(401);
  expect(byReader.status).toBe(401);
  expect(byOtherSite.status).toBe(403);
  expect(pinnedByOtherSite.status).toBe(403);
  expect(await world.listed("testing")).toEqual([]);
});

test("addresses that mean nothing are answered with what to do", async () => {
  await using world = await changesWorld();
  await using server = await startPages(world);
  const { page } = await signedIn(server);

  const answers = [];
  for (const path of [
    "/change",
    "/change?kind=promote&package=hullo&to=stable",
    "/change?kind=undo&channel=nowhere",
    "/changes/p-none",
    "/packages/hullo",
  ]) {
    const response = await page.goto(server.url + path);
    answers.push(response?.status());
    expect(await page.locator("main a").count()).toBeGreaterThan(0);
  }

  expect(answers).toEqual([400, 404, 404, 404, 404]);
});

/** Asked for elsewhere, and live. */
async function done(world: ChangesWorld, request: ChangeRequest): Promise<void> {
  const result = await world.changes.apply(request, "admin", AbortSignal.timeout(120_000));
  expect(result).toMatchObject({ state: "live" });
}

function promotion(nevra: string): Extract<ChangeRequest, { kind: "promote" }> {
  return {
    kind: "promote",
    packages: [nevra],
    build: null,
    all: false,
    from: null,
    to: "testing",
    force: false,
    note: "",
  };
}
