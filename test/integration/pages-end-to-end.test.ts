import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPage, shoot, startBrowser } from "../support/browser.ts";
import { makeRpms } from "../support/make-rpm.ts";
import { startYum, type Yum } from "../support/start-yum.ts";

const TARGET = "el9.x86_64";
let yum: Yum;
let browser: Browser;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-rpms-"));
  [yum, browser] = await Promise.all([startYum(), startBrowser()]);
});

afterAll(async () => {
  await (browser as Browser | undefined)?.close();
  await (yum as Yum | undefined)?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function publish(version: string): Promise<void> {
  const packages = [];
  for (const { fileName, bytes } of await makeRpms({ name: "hello", version })) {
    const path = join(folder, fileName);
    await writeFile(path, bytes);
    packages.push({ path, target: TARGET });
  }
  const { buildId } = await yum.builds.finish({ channel: "dev", packages });
  expect(await yum.builds.final(buildId)).toMatchObject({ state: "passed" });
}

test("a real package is read, downloaded, promoted and taken back, all from its pages", async () => {
  await publish("1.0");
  const { page, complaints } = await openPage(browser);
  await page.goto(`${yum.url}/login`);
  await page.getByLabel("Admin token").fill(yum.adminToken);
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.goto(`${yum.url}/packages`);
  await page.getByRole("link", { name: "hello", exact: true }).click();
  expect(await page.locator("#chosen .signed").textContent()).toMatch(/[0-9A-F]{8}/);
  expect(await page.locator(".folds").textContent()).toContain("Requires");
  const rpm = await page.locator("a[download]").getAttribute("href");
  const downloaded = await fetch(new URL(rpm ?? "", yum.url));
  expect(downloaded.status).toBe(200);

  await page.getByLabel("Channel to promote to").selectOption("testing");
  await page.getByRole("button", { name: "Promote…" }).click();
  await shoot(page, "real-sheet");
  await page.getByRole("button", { name: "Promote to testing" }).click();
  await page.waitForURL("**/changes/*");
  await page.locator(".card-live").waitFor();
  await shoot(page, "real-change");
  expect(await page.locator(".card-live").textContent()).toMatch(/testing generation 1.*in \d+ms/s);

  await publish("2.0");
  await page.goto(`${yum.url}/channels`);
  await page.locator('.line-step:has-text("1 update")').waitFor();
  await page.getByRole("link", { name: "Promote to testing" }).click();
  await page.getByRole("button", { name: "Promote to testing" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.locator('h1:has-text("back to what generation 1 listed")').waitFor();
  await page.goto(`${yum.url}/channels/testing`);
  await shoot(page, "real-channel");

  expect(await page.locator("tbody .nevra").allTextContents()).toEqual([
    expect.stringMatching(/^\s*1\.0-1/),
  ]);
  expect(await page.locator(".generation").count()).toBe(3);
  expect(complaints).toEqual([]);
});
