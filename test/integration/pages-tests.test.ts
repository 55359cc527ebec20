import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPage, paleTexts, shoot, startBrowser } from "../support/browser.ts";
import { SAMPLE_TESTS } from "../support/sample-tests.ts";
import { startWebServer } from "../support/web-server.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser.close();
});

const PAGES = {
  "tests-build": "/repos/acme/hello/46/tests",
  "tests-repo": "/repos/acme/hello/tests",
  "tests-filtered": "/repos/acme/hello/46/tests?q=greets",
};

test.each([
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { colorScheme: "light", viewport: { width: 320, height: 640 } }],
] as const)("in %s the pages of tests are legible and fit their window", async (kind, options) => {
  await using server = await startWebServer({ anonymousRead: true, tests: SAMPLE_TESTS });
  const { page, complaints } = await openPage(browser, options);

  for (const [name, path] of Object.entries(PAGES)) {
    const response = await page.goto(server.url + path);
    await page.locator(".test").first().waitFor();
    const overflow = await page
      .locator("html")
      .evaluate((root) => Math.max(0, root.scrollWidth - root.clientWidth));
    const pale = await paleTexts(page);
    await shoot(page, `${name}-${kind}`);

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

test("a row opens without a script, and the first failures are open", async () => {
  await using server = await startWebServer({ anonymousRead: true, tests: SAMPLE_TESTS });
  const { page } = await openPage(browser, { javaScriptEnabled: false });
  await page.goto(`${server.url}/repos/acme/hello/46/tests`);
  const flaky = page.locator(".test", { hasText: "flips" }).first();

  const firstIsOpen = await page.locator(".test-body").first().isVisible();
  const before = await flaky.locator(".test-body").isVisible();
  await flaky.locator("summary").click();

  expect(firstIsOpen).toBe(true);
  expect([before, await flaky.locator(".test-body").isVisible()]).toEqual([false, true]);
  await page.context().close();
});
