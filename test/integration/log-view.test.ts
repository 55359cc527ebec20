import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPage, shoot, startBrowser } from "../support/browser.ts";
import {
  changeStep,
  print,
  RUNNING_LOG,
  startWebServer,
  streaming,
} from "../support/web-server.ts";
import { until } from "../support/until.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

const READING = { anonymousRead: true } as const;

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
  await page.locator(".log-chunk").first().waitFor();
  await print(server, "one more line\n");
  await page.locator('.t:text("one more line")').waitFor();
  await until(() => isAtEnd(page), true);

  await page.locator(".log-body").hover();
  await page.mouse.wheel(0, -1_200);
  await page.locator('.log-tools [aria-pressed="false"]:text("Follow")').waitFor();
  const before = await restingPlace(page);
  await print(server, "line of a flood\n".repeat(314));
  await page.locator('.log-pill:text("314 new lines")').waitFor();
  await shoot(page, "log-pill");
  expect(await page.locator(".log-body").evaluate((body) => body.scrollTop)).toBe(before);

  await page.locator(".log-pill").click();
  await until(() => isAtEnd(page), true);
  expect(await page.locator(".log-pill").isHidden()).toBe(true);
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
    await restingPlace(page);
    const box = await page.locator("#L270000").boundingBox();
    expect(box?.y).toBeGreaterThan(0);
    expect(box?.y).toBeLessThan(900);
    for (const place of [0, 0.31, 0.5, 0.999, 1]) {
      await page.locator(".log-body").evaluate((body, share) => {
        body.scrollTop = share * (body.scrollHeight - body.clientHeight);
      }, place);
      await expect
        .poll(async () => await seenLines(page), { timeout: 30_000 })
        .toSatisfy(isUnbroken);
      await until(async () => (await page.locator(".r").count()) <= 320, true);
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
        .poll(async () => await seenLines(page), { timeout: 30_000 })
        .toSatisfy(isUnbroken);
    }

    await restingPlace(page);
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

async function isAtEnd(page: Page): Promise<boolean> {
  return await page
    .locator(".log-body")
    .evaluate((body) => body.scrollTop + body.clientHeight >= body.scrollHeight - 2);
}

/** Where the log is scrolled to, once the browser has done with a turn of the wheel. */
async function restingPlace(page: Page): Promise<number> {
  const place = () => page.locator(".log-body").evaluate((body) => body.scrollTop);
  let last = Number.NaN;
  const isAtRest = async (): Promise<boolean> => {
    const before = last;
    last = await place();
    return last === before;
  };
  await until(isAtRest, true, { everyMs: 150 });
  return last;
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
