import { execFile } from "node:child_process";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { processEnv } from "../../src/shared/config.ts";

const run = promisify(execFile);

const SHOTS = fileURLToPath(new URL("../output/pages/", import.meta.url));
const LAUNCH = {
  executablePath: "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

/** The distribution's Chromium, without a window. */
export async function startBrowser(): Promise<Browser> {
  await mkdir(SHOTS, { recursive: true });
  const env = { ...processEnv(), LD_PRELOAD: await noNetworkNews() };
  return await chromium.launch({ ...LAUNCH, env });
}

/** The library of `no-network-news.c`. */
async function noNetworkNews(): Promise<string> {
  const source = join(import.meta.dirname, "no-network-news.c");
  const library = join(SHOTS, "no-network-news.so");
  // Others may be loading the one that is there.
  const fresh = `${library}.${process.pid}`;
  await run("cc", ["-shared", "-fPIC", "-O1", "-o", fresh, source, "-ldl"]);
  await rename(fresh, library);
  return library;
}

export interface WatchedPage {
  readonly page: Page;
  /** Everything the browser complained about: errors, and what the page's policy refused. */
  readonly complaints: string[];
}

/** A page in a profile of its own, whose complaints are kept. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  // Of whatever is waited for: the machine may have much else to do.
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  return { page, complaints };
}

/** Saves what the page looks like, for people to look at: `test/output/pages/<name>.png`. */
export async function shoot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${SHOTS}${name}.png`, animations: "disabled", fullPage: true });
}

type Rgb = readonly [red: number, green: number, blue: number];

/** What is needed here of the browser's elements; its types are no part of this program. */
interface Drawn {
  readonly parentElement: Drawn | null;
}

/** Texts whose contrast with what is behind them is below WCAG AA's 4.5:1. */
export async function paleTexts(page: Page): Promise<readonly string[]> {
  return await page.locator("body").evaluate((body) => {
    const document = body.ownerDocument;
    const { getComputedStyle, NodeFilter } = document.defaultView;
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    // The browser itself mixes colours, whatever notation they are in.
    const over = (colour: string, below: Rgb, opacity: number): Rgb => {
      canvas.globalAlpha = 1;
      canvas.fillStyle = `rgb(${below.join(" ")})`;
      canvas.fillRect(0, 0, 1, 1);
      canvas.globalAlpha = opacity;
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue];
    };
    const backgroundOf = (element: Drawn | null): Rgb => {
      if (element === null) return [255, 255, 255];
      return over(
        getComputedStyle(element).backgroundColor,
        backgroundOf(element.parentElement),
        1,
      );
    };
    const opacityOf = (element: Drawn | null): number => {
      if (element === null) return 1;
      return Number(getComputedStyle(element).opacity) * opacityOf(element.parentElement);
    };
    const luminance = (rgb: Rgb): number => {
      const [red = 0, green = 0, blue = 0] = rgb.map((part) => {
        const share = part / 255;
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const pale: string[] = [];
    const texts = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode() !== null) {
      const { parentElement, textContent } = texts.currentNode;
      const text = String(textContent).trim();
      if (text === "" || !parentElement.checkVisibility()) continue;
      const below = backgroundOf(parentElement);
      const above = over(getComputedStyle(parentElement).color, below, opacityOf(parentElement));
      const [low = 0, high = 0] = [luminance(above), luminance(below)].toSorted((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < 4.5) pale.push(`${contrast.toFixed(2)} ${parentElement.className}: ${text}`);
    }
    return pale;
  });
}
