import { expect, test } from "vitest";
import { holdLog } from "../../../../workers/build/log/held-log.ts";

function shownBy() {
  const shown: string[] = [];
  const log = holdLog(async (chunk) => {
    await Promise.resolve();
    shown.push(chunk.toString());
  });
  return { log, shown };
}

test("nothing is shown before the release, and everything in order after it", async () => {
  const { log, shown } = shownBy();
  await log.write(Buffer.from("one "));
  await log.write(Buffer.from("two "));
  expect(shown).toEqual([]);

  log.release();
  await log.write(Buffer.from("three"));

  expect(shown.join("")).toBe("one two three");
});

test("a program that prints more than is kept waits for the release", async () => {
  const { log, shown } = shownBy();
  const large = Buffer.alloc(1024 * 1024, "a");
  await log.write(large);
  let isWritten = false;
  const writing = log.write(Buffer.from("b")).then(() => (isWritten = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isWritten).toBe(false);

  log.release();
  await writing;

  expect(shown.join("")).toBe(`${large.toString()}b`);
});
