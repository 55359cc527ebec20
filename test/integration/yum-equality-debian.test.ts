import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkDigests } from "../../src/yum/rpm/check-digests.ts";
import { RpmRefused } from "../../src/yum/rpm/read-rpm.ts";
import { compareWithCreaterepo } from "../support/createrepo-fragments.ts";
import type { ComparedRpm } from "../support/createrepo-fragments.ts";
import { debianSource } from "../support/debian-source.ts";
import type { UpstreamSource } from "../support/debian-source.ts";
import { areDigestsAccepted } from "../support/rpmkeys.ts";

/** Programs about RPMs, whose authors test them with RPMs of their own. */
const SOURCES = ["rpm", "createrepo-c", "librepo", "libsolv", "rpmlint", "dnf", "libdnf"];
const SOURCES_MIN = 3;
const RPMS_MIN = 50;

interface FoundSource {
  readonly name: string;
  readonly rpms: readonly string[];
}

const fetched: UpstreamSource[] = [];
const found: FoundSource[] = [];
let compared: readonly ComparedRpm[];

beforeAll(async () => {
  for (const name of SOURCES) {
    const source = await debianSource(name).catch((err: Error & { stderr?: string }) => {
      // Older versions leave the archive's pool, so this is news, not silence.
      say(`${name}: NOT AVAILABLE: ${(err.stderr ?? err.message).split("\n")[0]}`);
    });
    if (source === undefined) continue;
    fetched.push(source);
    const rpms = await rpmsIn(source.dir);
    say(`${name} ${source.version}: ${rpms.length} RPMs`);
    found.push({ name, rpms });
  }
  compared = await compareWithCreaterepo(found.flatMap(({ rpms }) => rpms));
  say(`${compared.length} different RPMs compared`);
}, 600_000);
afterAll(async () => {
  await Promise.all(fetched.map((source) => source[Symbol.asyncDispose]()));
});

function say(line: string): void {
  process.stderr.write(`Debian's sources: ${line}\n`);
}

async function rpmsIn(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".rpm"));
  return files.map((entry) => join(entry.parentPath, entry.name));
}

test("enough sources could be had", () => {
  expect(found.filter(({ rpms }) => rpms.length > 0).length).toBeGreaterThanOrEqual(SOURCES_MIN);
  expect(compared.length).toBeGreaterThanOrEqual(RPMS_MIN);
});

test("the XML of other programs' test RPMs is createrepo_c's", () => {
  const different = compared.filter(({ differences }) => differences.length > 0);

  expect(different.map(({ path, differences }) => ({ path, differences }))).toEqual([]);
});

test("rpmkeys and we take and refuse the same of them", async () => {
  const paths = compared.map(({ path }) => path);
  const theirs = await areDigestsAccepted(paths);

  const ours = await Promise.all(
    paths.map((path) =>
      checkDigests(path).then(
        () => true,
        (err: unknown) => {
          expect(err).toBeInstanceOf(RpmRefused);
          return false;
        },
      ),
    ),
  );

  expect(paths.filter((_, index) => ours[index] !== theirs[index])).toEqual([]);
});
