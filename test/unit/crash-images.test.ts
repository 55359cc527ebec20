import { expect, test } from "vitest";
import { crashImage, LOSSES } from "../torture/power-loss/crash-image.ts";
import type { Loss } from "../torture/power-loss/crash-image.ts";
import { Disk, inOrder } from "../torture/power-loss/disk.ts";
import { readTrace } from "../torture/power-loss/read-trace.ts";
import type { Call } from "../torture/power-loss/read-trace.ts";
import { randomOf } from "../torture/random.ts";

const ROOT = "/data";
const ALL = Object.keys(LOSSES) as Loss[];

const hex = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
const quoted = (text: string): string => `"${hex(text)}"`;
const file = (fd: number, path: string): string => `${fd}<${hex(`${ROOT}/${path}`)}>`;

/** One line of strace per call, a millisecond apart. */
function traced(...lines: readonly string[]): readonly Call[] {
  const text = lines.map((line, at) => `7 ${(100 + at / 1_000).toFixed(6)} ${line}`).join("\n");
  const options = { root: ROOT, speaker: "server", concerns: () => true } as const;
  return readTrace(text, options);
}

function made(path: string, text: string): readonly string[] {
  const here = `AT_FDCWD<${hex("/")}>`;
  return [
    `openat(${here}, ${quoted(`${ROOT}/${path}`)}, O_WRONLY|O_CREAT, 0666) = ${file(3, path)}`,
    `write(${file(3, path)}, ${quoted(text)}, ${text.length}) = ${text.length}`,
  ];
}

const synced = (path: string): string => `fsync(${file(3, path)}) = 0`;
const folderSynced = `fsync(4<${hex(ROOT)}>) = 0`;

/** Everything that may be left after these calls, as `path=text`, by each way of losing. */
function leftAfter(calls: readonly Call[], loss: Loss, seed = 1): string {
  const disk = new Disk();
  for (const call of inOrder(calls)) disk.apply(call);
  const image = crashImage(disk, loss, randomOf(seed, "test"));
  return [...image].map(([path, { bytes }]) => `${path}=${bytes().toString()}`).join(" ");
}

test("what is synced with its folder is in every image, whatever else is lost", () => {
  const calls = traced(...made("a", "one"), synced("a"), folderSynced, ...made("b", "two"));

  for (const loss of ALL) expect(leftAfter(calls, loss)).toMatch(/^a=one/);
  expect(leftAfter(calls, "nothing")).toBe("a=one");
  expect(leftAfter(calls, "all")).toBe("a=one b=two");
});

test("a synced file is lost with a name that is not, and a synced name keeps no bytes", () => {
  expect(leftAfter(traced(...made("a", "one"), synced("a")), "nothing")).toBe("");
  expect(leftAfter(traced(...made("a", "one"), folderSynced), "nothing")).toBe("a=");
  expect(leftAfter(traced(...made("a", "one"), folderSynced), "names")).toBe("a=\0\0\0");
});

test("a sync promises nothing that had not ended when it began", () => {
  const [open = "", write = ""] = made("a", "one");
  const begun = write.replace(/\) = \d+$/, " <unfinished ...>");
  const lines = [open, folderSynced, begun];
  const text = [
    ...lines.map((line, at) => `7 100.00${at} ${line}`),
    `8 100.003 ${synced("a")}`,
    "7 100.004 <... write resumed>) = 3",
  ].join("\n");
  const calls = readTrace(text, { root: ROOT, speaker: "server", concerns: () => true });

  expect(leftAfter(calls, "nothing")).toBe("a=");
  expect(leftAfter(calls, "all")).toBe("a=one");
});

test("a rename happens whole or not at all", () => {
  const rename = `rename(${quoted(`${ROOT}/a`)}, ${quoted(`${ROOT}/b`)}) = 0`;
  const calls = traced(...made("a", "one"), synced("a"), folderSynced, rename);

  const left = new Set(
    ALL.flatMap((loss) => [1, 2, 3, 4, 5].map((seed) => leftAfter(calls, loss, seed))),
  );

  expect([...left].toSorted()).toEqual(["a=one", "b=one"]);
});

test("a torn write ends at a sector's border", () => {
  const calls = traced(...made("a", "x".repeat(1_300)), folderSynced);

  const lengths = Array.from({ length: 40 }, (_none, seed) => {
    return leftAfter(calls, "torn", seed).length - "a=".length;
  });

  expect([...new Set(lengths)].toSorted((a, b) => a - b)).toEqual([0, 512, 1_024]);
});

test("a call that strace tells too early waits for what it needs", () => {
  const [folder, ...rest] = traced(
    `mkdir(${quoted(`${ROOT}/f`)}, 0777) = 0`,
    ...made("f/a", "one"),
  );

  const early = folder === undefined ? rest : [...rest, folder];
  expect(leftAfter(early, "all")).toContain("f/a=one");
});
