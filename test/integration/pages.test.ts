import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPage, paleTexts, shoot, startBrowser } from "../support/browser.ts";
import { memoryRecords } from "../support/memory-read-store.ts";
import { change, startWebServer, streaming, type WebServer } from "../support/web-server.ts";
import { until } from "../support/until.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

const READING = { anonymousRead: true } as const;

const PAGES = {
  home: "/",
  repos: "/repos",
  repo: "/repos/acme/hello",
  queued: "/repos/acme/hello/48",
  running: "/repos/acme/hello/47",
  failed: "/repos/acme/hello/46",
  passed: "/repos/acme/hello/45",
  errored: "/repos/acme/hello/44",
  cancelled: "/repos/acme/hello/43",
  skipped: "/repos/acme/hello/42",
  "bad-file": "/repos/tools/rotate-logs/3",
  unpublished: "/repos/acme/website/12",
  several: "/repos/acme/website/14",
  log: "/repos/acme/hello/46/unit",
  "log-not-started": "/repos/acme/hello/47/package",
  channels: "/channels",
  channel: "/channels/dev",
  "channel-branch": "/channels/acme.hello.feature-new-greeting",
  "channel-layers": "/channels/stable",
  "channel-empty": "/channels/nightly",
  "channel-none-found": "/channels/dev?q=zzz",
  packages: "/packages",
  "packages-none": "/packages?q=zzz",
  package: "/packages/hello",
  "package-yanked":
    "/packages/hello?nevra=hello-1.4.0-1.55.g51c09aa.debian12.x86_64&files-from=200#chosen",
  "change-live": "/changes/p-done",
  "change-failed": "/changes/p-refused",
  "change-waiting": "/changes/p-waiting",
  login: "/login",
};

/** For whoever may act. */
const ADMIN_PAGES = {
  "channels-admin": "/channels",
  "channel-admin": "/channels/dev",
  "package-admin": "/packages/hello",
  "passed-admin": "/repos/acme/hello/45",
  "sheet-promote": "/change?kind=promote&all=1&from=dev&to=testing",
  "sheet-undo": "/change?kind=undo&channel=stable",
  "sheet-yank": "/change?kind=yank&package=hello-1.3.2-1.debian12.x86_64",
  "change-live-admin": "/changes/p-done",
};

const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 320, height: 640 }, deviceScaleFactor: 2 },
} as const;

describe.each(Object.entries(LOOKS))("in %s", (kind, options) => {
  test("every page is legible, fits its window, and does nothing that its policy refuses", async () => {
    await using server = await startWebServer(READING);
    const { page, complaints } = await openPage(browser, options);

    for (const [name, path] of Object.entries(PAGES)) {
      await look(page, `${name}-${kind}`, server.url + path);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("so is every page and sheet of whoever may act", async () => {
    await using server = await startWebServer();
    const { page, complaints } = await openPage(browser, options);
    await page.goto(`${server.url}/login?t=one-time`);

    for (const [name, path] of Object.entries(ADMIN_PAGES)) {
      await look(page, `${name}-${kind}`, server.url + path);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("an empty server is inviting", async () => {
    await using server = await startWebServer(READING);
    empty(server);
    const { page, complaints } = await openPage(browser, options);

    await page.goto(server.url);

    await shoot(page, `empty-${kind}`);
    expect(await page.locator("main").textContent()).toContain(
      `git remote add tatara ${server.url}`,
    );
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});

test("a change of state reaches every open page by itself, and keeps what the reader did", async () => {
  await using server = await startWebServer(READING);
  const home = await openPage(browser);
  const one = await openPage(browser);
  await home.page.goto(server.url);
  await one.page.goto(`${server.url}/repos/acme/hello/47`);
  await one.page.locator("details.message summary").click();
  await one.page.locator("html").evaluate((root) => root.setAttribute("data-mine", ""));
  await streaming(server, 2);

  change(server, "bld-running", (build) => ({ ...build, state: "failed", endedAt: Date.now() }));

  await one.page.locator(".build-head .s-failed").waitFor();
  await home.page.locator('#b-bld-running[data-state="failed"]').waitFor();
  expect(await one.page.title()).toBe("✗ #47 hello: failed · Tatara");
  expect(await one.page.locator('link[rel="icon"]').getAttribute("href")).toContain("icon-failed");
  expect(await one.page.locator("[data-announce]").textContent()).toContain("failed");
  expect(await one.page.locator("details.message").getAttribute("open")).not.toBeNull();
  expect(await one.page.locator("html[data-mine]").count()).toBe(1);
  expect([...home.complaints, ...one.complaints]).toEqual([]);
});

test("a refused pipeline file is shown with the mistakes under its lines, a guess as a file", async () => {
  await using server = await startWebServer(READING);
  const { page, complaints } = await openPage(browser);

  await page.goto(`${server.url}/repos/tools/rotate-logs/3`);
  const marked = await page.locator(".file-text mark").allTextContents();
  const order = await page.locator(".file-lines > *").allTextContents();
  await page.goto(`${server.url}/repos/acme/website/12`);
  await page.locator(".file-panel summary").click();

  expect(marked).toEqual(["tests", "el11"]);
  const row = order.findIndex((text) => text.includes("tests: make check"));
  expect(order[row + 1]).toContain('unknown key "tests"');
  expect(order[row + 1]).toContain('did you mean "test"?');
  expect(await page.locator(".file-panel pre").textContent()).toContain("package: website.spec");
  expect(complaints).toEqual([]);
});

test("without scripts everything can be read: card, steps, and the last part of the log", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser, { javaScriptEnabled: false });

  await page.goto(`${server.url}/repos/acme/hello/46`);

  await shoot(page, "failed-no-script");
  expect(await page.locator("#failure h2").textContent()).toContain("greets an empty name");
  expect(await page.locator(".steps tr").count()).toBeGreaterThan(4);
  expect(await page.locator("pre.log-rows").textContent()).toContain("# fail 1");
  expect(await page.locator(".log-note a").getAttribute("href")).toContain("/log?");
  expect(await page.locator("[data-copy]").first().isVisible()).toBe(false);
});

test("single keys move through rows, open the help, and go to other pages", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(server.url);
  await page.locator("html.scripted").waitFor();

  await page.keyboard.press("j");
  await page.keyboard.press("j");
  expect(await focusedHref(page)).toBe("/repos/acme/hello/47");
  await page.keyboard.press("f");
  expect(await focusedHref(page)).toBe("/repos/acme/hello/46");
  await page.keyboard.press("?");
  await page.locator("dialog[open]").waitFor();
  await shoot(page, "help");
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("website");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/repos/acme/website");
  await page.locator("html.scripted").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.waitForURL("**/channels");
});

test("a lost connection is said, and what was missed is made up for", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/47`);
  await streaming(server, 1);

  await server.goAway();
  await page.locator('.lost:text("Reconnecting")').waitFor();
  change(server, "bld-running", (build) => ({ ...build, state: "cancelled", endedAt: Date.now() }));
  await server.comeBack();

  await page.locator(".build-head .s-cancelled").waitFor();
  await page.locator(".lost").waitFor({ state: "hidden" });
});

test("no listener outlives the page that asked for it", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/47`);
  await streaming(server, 1);

  await page.context().close();

  await until(() => server.live.listeners(), 0);
});

test("cancel and rerun are buttons that do what they say", async () => {
  await using server = await startWebServer();
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/login?t=one-time&next=/repos/acme/hello/47`);
  expect(page.url()).toBe(`${server.url}/repos/acme/hello/47`);

  await page.getByRole("button", { name: "Cancel" }).click();
  // The page that it leads to is this one, so its address says nothing.
  await until(() => server.acts, ["cancel bld-running admin"]);
  await page.goto(`${server.url}/repos/acme/hello/46`);
  await page.getByRole("button", { name: "Rerun" }).click();
  await page.waitForURL("**/45");

  expect(server.acts).toEqual(["cancel bld-running admin", "rerun bld-failed admin"]);
});

test("dark and light can be chosen, and stay chosen", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser, { colorScheme: "light" });
  await page.goto(server.url);

  await page.getByRole("button", { name: "dark" }).click();
  await page.locator('html[data-theme="dark"]').waitFor();
  await page.goto(`${server.url}/channels`);

  const background = await page
    .locator("html")
    .evaluate((root) => root.ownerDocument.defaultView?.getComputedStyle(root).backgroundColor);
  expect(background).toBe("rgb(15, 18, 22)");
});

/** Opens a page, looks at it, and keeps a picture. */
async function look(page: Page, name: string, url: string): Promise<void> {
  const response = await page.goto(url);
  await page.locator("main").waitFor();
  if (name.startsWith("log-") && url.endsWith("/unit")) {
    await page.locator(".log-chunk").first().waitFor();
  }
  const overflow = await page
    .locator("html")
    .evaluate((root) => Math.max(0, root.scrollWidth - root.clientWidth));
  const pale = await paleTexts(page);
  const nameless = await namelessControls(page);
  await shoot(page, name);

  expect({ name, status: response?.status(), overflow, pale, nameless }).toEqual({
    name,
    status: 200,
    overflow: 0,
    pale: [],
    nameless: [],
  });
}

/** What can be used and has no name, in the eyes of programs that read pages aloud. */
async function namelessControls(page: Page): Promise<readonly string[]> {
  const tree = await page.locator("body").ariaSnapshot();
  return tree
    .split("\n")
    .filter((line) =>
      /^\s*- (?:button|link|textbox|combobox|checkbox|searchbox)(?: \[|:|$)/.test(line),
    );
}

function empty({ records }: WebServer): void {
  const fresh = memoryRecords();
  records.builds.length = 0;
  records.repos.length = 0;
  records.channels.splice(0, records.channels.length, ...fresh.channels);
  records.counts = fresh.counts;
}

async function focusedHref(page: Page): Promise<string | null> {
  return await page.locator(":focus").getAttribute("href");
}
