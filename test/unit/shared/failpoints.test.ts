import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  armFailpoints,
  failpoint,
  FAILPOINTS,
  parseFailpoints,
} from "../../../src/shared/failpoints.ts";

const ROOT = join(import.meta.dirname, "../../..");

afterEach(() => armFailpoints([]));

test("the list names every place in the source, and no other", () => {
  const files = globSync(["src/**/*.ts", "workers/**/*.ts"], { cwd: ROOT });
  const used = files.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), "utf8");
    return [...text.matchAll(/\bawait failpoint\("([^"]+)"\)/g)].map(([, name]) => name);
  });

  expect(new Set(used)).toEqual(new Set(FAILPOINTS));
  expect(used).toHaveLength(FAILPOINTS.length);
});

test("nothing happens at a place that is not armed", () => {
  expect(failpoint("commit.before")).toBeUndefined();
});

test("an armed place acts at its hit, and at no other", async () => {
  const told: string[] = [];
  armFailpoints(parseFailpoints("commit.before@2:throw, commit.after:delay=1"), ({ name, hit }) =>
    told.push(`${name}@${hit}`),
  );

  await failpoint("commit.before");
  await expect(failpoint("commit.before")).rejects.toThrow("commit.before was reached");
  await failpoint("commit.before");
  await failpoint("commit.after");

  expect(told).toEqual(["commit.before@2", "commit.after@1"]);
});

test("a setting that is wrong is refused with all names", () => {
  expect(() => parseFailpoints("commit.never:kill")).toThrow(/commit\.never.*reconcile/s);
  expect(() => parseFailpoints("commit.before:explode")).toThrow("name@hit:action is expected");
});

test("a file arms one life; without the file nothing is armed", () => {
  const path = join(tmpdir(), `tatara-failpoints-${process.pid}`);
  writeFileSync(path, "commit.after@7:kill");
  const read = parseFailpoints(`file:${path}`);
  rmSync(path);

  expect(read).toEqual([{ name: "commit.after", hit: 7, action: { kind: "kill" } }]);
  expect(parseFailpoints(`file:${path}`)).toEqual([]);
});
