import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { buildAssets } from "../../../src/server/assets.ts";

const STYLE = new URL("../../../src/server/assets/main.css", import.meta.url);
const AA = 4.5;

test("what a page loads stays within its budget", async () => {
  const { files } = await buildAssets();
  const sizeOf = (extension: string): number =>
    [...files]
      .filter(([name]) => name.endsWith(extension))
      .reduce((sum, [, { body }]) => sum + gzipSync(body).length, 0);

  expect(sizeOf(".js")).toBeLessThan(60_000);
  expect(sizeOf(".css")).toBeLessThan(20_000);
});

test("an asset's address changes with its content, so it can be kept for ever", async () => {
  const { addresses, files } = await buildAssets();

  for (const address of [addresses.style, addresses.script, ...Object.values(addresses.icons)]) {
    expect(address).toMatch(/^\/assets\/[\w-]+-[A-Z0-9a-f]{8}\.\w+$/);
    expect(files.has(address.slice("/assets/".length))).toBe(true);
  }
});

describe.each(["light", "dark"] as const)("in %s", (theme) => {
  const names = (start: string, count: number): readonly string[] =>
    Array.from({ length: count }, (_, index) => `${start}${index}`);

  test("every colour of a log can be read, on a marked line too", async () => {
    const contrast = await contrasts(theme);

    expect(pale(contrast, names("c", 16), ["bg", "hover", "mark"])).toEqual([]);
  });

  test("text on a background that a program chose can be read", async () => {
    const contrast = await contrasts(theme);

    expect(pale(contrast, ["bg"], names("c", 16))).toEqual([]);
  });

  test("states and texts can be read wherever they stand", async () => {
    const contrast = await contrasts(theme);
    const states = ["queued", "running", "passed", "failed", "errored", "cancelled", "skipped"];
    const grounds = ["bg", "raised", "sunken", "hover"];
    const tints = ["good-tint", "bad-tint", "ours-tint", "warn-tint"];

    expect(pale(contrast, [...states, "text", "muted", "accent", "warn"], grounds)).toEqual([]);
    expect(pale(contrast, ["text", "muted", "accent"], tints)).toEqual([]);
  });
});

type Contrast = (above: string, below: string) => number;

function pale(contrast: Contrast, above: readonly string[], below: readonly string[]) {
  return above
    .flatMap((text) => below.map((ground) => [text, ground, contrast(text, ground)] as const))
    .filter(([, , found]) => found < AA)
    .map(([text, ground, found]) => `${text} on ${ground}: ${found.toFixed(2)}`);
}

async function contrasts(theme: "light" | "dark"): Promise<Contrast> {
  const css = await readFile(STYLE, "utf8");
  const colours = new Map<string, string>();
  for (const [, name = "", light = "", dark = ""] of css.matchAll(
    /--([\w-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)/g,
  )) {
    colours.set(name, theme === "light" ? light : dark);
  }
  return (above, below) => {
    const [low = 0, high = 0] = [above, below]
      .map((name) => luminance(colours.get(name) ?? ""))
      .toSorted((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
}

function luminance(hex: string): number {
  const digits = hex.length === 4 ? hex.replaceAll(/[0-9a-f]/g, "$&$&") : hex;
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
