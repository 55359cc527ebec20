import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BuildView, LogKey, StepView } from "../../src/server/views.ts";
import { openPage, paleTexts, shoot, startBrowser } from "../support/browser.ts";
import { memoryRecords } from "../support/memory-read-store.ts";
import { startWebServer, type WebServer } from "../support/web-server.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

const READING = { anonymousRead: true } as const;
const RUNNING_LOG: LogKey = { buildId: "bld-running", jobId: "job-r", attempt: 1, step: "unit" };

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
  log: "/repos/acme/hello/46/unit",
  "log-not-started": "/repos/acme/hello/47/package",
  channels: "/channels",
  channel: "/channels/dev",
  "channel-empty": "/channels/stable",
  login: "/login",
};

const LOOKS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 320, height: 640 }, deviceScaleFactor: 2 },
} as const;

describe.each(Object.entries(LOOKS))("in %s", (look, options) => {
  test("every page is legible, fits its window, and does nothing that its policy refuses", async () => {
    await using server = await startWebServer(READING);
    const { page, complaints } = await openPage(browser, options);

    for (const [name, path] of Object.entries(PAGES)) {
      const response = await page.goto(server.url + path);
      await page.locator("main").waitFor();
      if (name === "log") await page.locator(".log-chunk").first().waitFor();
      const overflow = await page
        .locator("html")
        .evaluate((root) => root.scrollWidth - root.clientWidth);
      const pale = await paleTexts(page);
      await shoot(page, `${name}-${look}`);

      expect({ name, status: response?.status(), overflow, pale }).toEqual({
        name,
        status: 200,
        overflow: 0,
        pale: [],
      });
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test("an empty server is inviting", async () => {
    await using server = await startWebServer(READING);
    empty(server);
    const { page, complaints } = await openPage(browser, options);

    await page.goto(server.url);

    await shoot(page, `empty-${look}`);
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

  await one.page.locator('.build-head .s-failed:text("failed")').waitFor();
  await home.page.locator('#b-bld-running[data-state="failed"]').waitFor();
  expect(await one.page.title()).toBe("✗ #47 hello: failed · Tatara");
  expect(await one.page.locator('link[rel="icon"]').getAttribute("href")).toContain("icon-failed");
  expect(await one.page.locator("[data-announce]").textContent()).toContain("failed");
  expect(await one.page.locator("details.message").getAttribute("open")).not.toBeNull();
  expect(await one.page.locator("html[data-mine]").count()).toBe(1);
  expect([...home.complaints, ...one.complaints]).toEqual([]);
});

test("a queued build turns into its log without being touched", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/47/integration`);
  expect(await page.locator("main").textContent()).toContain("waits for unit");
  await streaming(server, 1);

  server.logs.set({ ...RUNNING_LOG, step: "integration" }, "first line\n");
  changeStep(server, "integration", { state: "running", startedAt: Date.now() });

  await page.locator('log-view .t:text("first line")').waitFor();
});

test("the log follows what is printed, stops when the reader scrolls up, and goes on by the pill", async () => {
  await using server = await startWebServer(READING);
  const { page, complaints } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/47/unit`);
  await streaming(server, 1);
  await page
    .locator("#L218")
    .waitFor()
    .catch(() => undefined);

  await print(server, "one more line\n");
  await page.locator('.t:text("one more line")').waitFor();
  expect(await isAtEnd(page)).toBe(true);

  await page.locator(".log-body").hover();
  await page.mouse.wheel(0, -1_200);
  const pill = page.locator(".log-pill");
  await page.locator('.log-tools [aria-pressed="false"]:text("Follow")').waitFor();
  const before = await page.locator(".log-body").evaluate((body) => body.scrollTop);
  await print(server, "line of a flood\n".repeat(314));
  await page.locator('.log-pill:text("314 new lines")').waitFor();
  await shoot(page, "log-pill");
  expect(await page.locator(".log-body").evaluate((body) => body.scrollTop)).toBe(before);

  await pill.click();
  await expect.poll(async () => await isAtEnd(page)).toBe(true);
  expect(await pill.isHidden()).toBe(true);
  expect(complaints).toEqual([]);
});

test("following goes on to the next step by itself; who reads is only told", async () => {
  await using server = await startWebServer(READING);
  const following = await openPage(browser);
  const reading = await openPage(browser);
  for (const { page } of [following, reading]) {
    await page.goto(`${server.url}/repos/acme/hello/47`);
    await page.locator(".log-chunk").first().waitFor();
  }
  await reading.page.locator(".log-body").hover();
  await reading.page.mouse.wheel(0, -1_500);
  await reading.page.locator('.log-tools [aria-pressed="false"]:text("Follow")').waitFor();
  await streaming(server, 2);

  const now = Date.now();
  server.logs.set({ ...RUNNING_LOG, step: "integration" }, "the next step begins\n");
  changeStep(server, "unit", { state: "passed", endedAt: now });
  changeStep(server, "integration", { state: "running", startedAt: now });

  await following.page.locator('.t:text("the next step begins")').waitFor();
  await reading.page.locator('.log-pill:text("Now: integration")').waitFor();
  expect(await reading.page.locator(".log-head h2").textContent()).toContain("unit");
  await reading.page.locator(".log-pill").click();
  await reading.page.locator('.t:text("the next step begins")').waitFor();
});

describe("a log of 300,000 lines", () => {
  const LINES = 300_000;
  const log = Array.from(
    { length: LINES },
    (_, index) => `line ${index + 1} of many, with some text\n`,
  );

  test("opens at the line of its address with few rows in the page, and scrolls to both ends", async () => {
    await using server = await startWebServer(READING);
    server.logs.set({ ...RUNNING_LOG, buildId: "bld-failed", jobId: "job-f" }, log.join(""));
    const { page, complaints } = await openPage(browser);
    const address = `${server.url}/repos/acme/hello/46/unit`;
    await page.goto(`${address}#L270000`);

    await page.locator("#L270000.hit").waitFor();
    const box = await page.locator("#L270000").boundingBox();
    expect(box?.y).toBeGreaterThan(0);
    expect(box?.y).toBeLessThan(900);
    for (const place of [0, 0.31, 0.5, 0.999, 1]) {
      await page.locator(".log-body").evaluate((body, share) => {
        body.scrollTop = share * (body.scrollHeight - body.clientHeight);
      }, place);
      await expect
        .poll(async () => await seenLines(page), { timeout: 5_000 })
        .toSatisfy(isUnbroken);
      expect(await page.locator(".r").count()).toBeLessThanOrEqual(320);
    }
    expect((await seenLines(page)).at(-1)).toBe(LINES);
    await shoot(page, "log-large");
    expect(complaints).toEqual([]);
  });

  test("is read by wheel without losing or doubling a line", async () => {
    await using server = await startWebServer(READING);
    server.logs.set({ ...RUNNING_LOG, buildId: "bld-failed", jobId: "job-f" }, log.join(""));
    const { page } = await openPage(browser);
    await page.goto(`${server.url}/repos/acme/hello/46/unit#L1000`);
    await page.locator("#L1000").waitFor();
    await page.locator(".log-body").hover();

    for (let turn = 0; turn < 20; turn += 1) {
      await page.mouse.wheel(0, 700);
      await expect
        .poll(async () => await seenLines(page), { timeout: 5_000 })
        .toSatisfy(isUnbroken);
    }

    const lines = await seenLines(page);
    expect(lines[0]).toBeGreaterThan(1_500);
  });
});

test("lines are linked to by click, and ranges by shift and click", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/46/unit`);

  await page.locator("#L205 .n").click();
  await page.locator("#L209 .n").click({ modifiers: ["Shift"] });

  expect(new URL(page.url()).hash).toBe("#L205-L209");
  expect(await page.locator(".r.hit").count()).toBe(5);
});

test("a failed build's log opens at the line to blame", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);

  await page.goto(`${server.url}/repos/acme/hello/46/unit`);

  await page.locator("#L212.hit").waitFor();
});

test("nothing that a build prints becomes an element or runs", async () => {
  await using server = await startWebServer(READING);
  const hostile =
    `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>\n` +
    `\u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007 \u202e</span></pre></log-view>\n`;
  server.logs.set({ ...RUNNING_LOG, buildId: "bld-failed", jobId: "job-f" }, hostile);
  const { page, complaints } = await openPage(browser);

  await page.goto(`${server.url}/repos/acme/hello/46/unit`);
  await page.locator('.t:text("link")').waitFor();

  const names = await page
    .locator(".t *")
    .evaluateAll((elements) => elements.map(({ localName }) => localName));
  expect([...new Set(names)]).toEqual(["b"]);
  expect(await page.title()).not.toBe("owned");
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

  await page.locator(".build-head .s-cancelled").waitFor({ timeout: 20_000 });
  expect(await page.locator(".lost").isHidden()).toBe(true);
});

test("no listener outlives the page that asked for it", async () => {
  await using server = await startWebServer(READING);
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/repos/acme/hello/47`);
  await streaming(server, 1);

  await page.context().close();

  await expect.poll(() => server.live.listeners()).toBe(0);
});

test("cancel and rerun are buttons that do what they say", async () => {
  await using server = await startWebServer();
  const { page } = await openPage(browser);
  await page.goto(`${server.url}/login?t=one-time&next=/repos/acme/hello/47`);
  expect(page.url()).toBe(`${server.url}/repos/acme/hello/47`);

  await page.getByRole("button", { name: "Cancel" }).click();
  await page.waitForURL("**/47");
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
  await page.goto(`${server.url}/channels`);

  const background = await page.evaluate(
    () => getComputedStyle(document.documentElement).backgroundColor,
  );
  expect(background).toBe("rgb(15, 18, 22)");
});

function empty({ records }: WebServer): void {
  const fresh = memoryRecords();
  records.builds.length = 0;
  records.repos.length = 0;
  records.channels.splice(0, records.channels.length, ...fresh.channels);
  records.counts = fresh.counts;
}

function change(server: WebServer, id: string, how: (build: BuildView) => BuildView): void {
  const at = server.records.builds.findIndex((build) => build.id === id);
  const build = server.records.builds[at];
  if (build === undefined) throw new Error(`No build ${id}.`);
  server.records.builds[at] = how(build);
  server.live.buildChanged(id);
}

function changeStep(server: WebServer, name: string, some: Partial<StepView>): void {
  change(server, "bld-running", (build) => ({
    ...build,
    jobs: build.jobs.map((job) => ({
      ...job,
      steps: job.steps.map((step) => (step.name === name ? { ...step, ...some } : step)),
    })),
  }));
}

async function print(server: WebServer, text: string): Promise<void> {
  const size = await server.logs.sizeOf(RUNNING_LOG);
  const bytes = new TextEncoder().encode(text);
  await server.logs.append(RUNNING_LOG, size, bytes);
  server.live.logGrew(RUNNING_LOG, size + bytes.length);
}

/** Waits until so many pages listen. A page of one build listens twice: for it, and for its logs. */
async function streaming(server: WebServer, pages: number): Promise<void> {
  await expect.poll(() => server.live.listeners()).toBeGreaterThanOrEqual(pages);
}

async function isAtEnd(page: Page): Promise<boolean> {
  return await page
    .locator(".log-body")
    .evaluate((body) => body.scrollTop + body.clientHeight >= body.scrollHeight - 2);
}

/** Numbers of the lines inside the window, from top to bottom. */
async function seenLines(page: Page): Promise<readonly number[]> {
  return await page.locator(".log-body").evaluate((body) => {
    const window = body.getBoundingClientRect();
    return [...body.querySelectorAll(".r")]
      .map((row) => ({ box: row.getBoundingClientRect(), line: Number(row.id.slice(1)) }))
      .filter(({ box }) => box.bottom > window.top && box.top < window.bottom)
      .toSorted((a, b) => a.box.top - b.box.top)
      .map(({ line }) => line);
  });
}

/** The window is full of lines, each one more than the one before. */
function isUnbroken(lines: readonly number[]): boolean {
  return lines.length > 20 && lines.every((line, index) => line === (lines[0] ?? 0) + index);
}

async function focusedHref(page: Page): Promise<string | null> {
  return await page.locator(":focus").getAttribute("href");
}
