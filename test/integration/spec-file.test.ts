import { execFile } from "node:child_process";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { writeSpec } from "../../src/domain/spec-file.ts";
import { filesSource } from "../support/package-rig.ts";

const run = promisify(execFile);

/** What could end a line, a section or a macro, or run something. */
const NASTY = [
  "%files",
  "%(touch RAN)",
  "%{lua:os.execute('touch RAN')}",
  "%if 0",
  "%endif",
  "%package evil",
  "%%",
  "100%",
  "\n",
  "\r\n",
  "  ",
  "# a comment",
  "#%{nothing}",
  "$(touch RAN)",
  "`touch RAN`",
  "\\",
  '"',
  "'",
  "}",
  "Requires: evil",
  "%global x y",
  "%[1+1]",
  "%{?dist}",
  "ü ☃",
  "words",
];

function seeded(seed: number): (max: number) => number {
  let state = seed * 2_654_435_761;
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * max);
  };
}

test("whatever people write into texts, rpm reads back those texts and runs nothing", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tatara-spec-"));
  for (let seed = 1; seed <= 60; seed += 1) {
    const next = seeded(seed);
    const text = () =>
      Array.from({ length: 1 + next(6) }, () => NASTY[next(NASTY.length)] ?? "").join(" ");
    const [summary, description, subject] = [`a ${text()}`, text(), text()];
    const spec = writeSpec({
      source: filesSource({ summary, description, vendor: `v ${text()}` }),
      scripts: {},
      files: [],
      version: "1",
      release: "1",
      target: "debian12.x86_64",
      isNoarch: true,
      changes: { subjects: [subject], authorName: "Mona", committedAtSeconds: 1_790_000_000 },
    });
    const path = join(dir, "hello.spec");
    await writeFile(path, spec);

    const format =
      "%{NAME}\\n%{SUMMARY}\\n[%{REQUIRENAME} ]\\n%{DESCRIPTION}\\n--\\n[%{CHANGELOGTEXT}]";
    const asked = run("rpmspec", ["-q", "--qf", format, path], { cwd: dir });

    const { stdout } = await asked.catch((err: unknown) => {
      throw new Error(`seed ${seed}: ${String(err)}\n${spec}`);
    });
    const [name, read, requires = "", ...rest] = stdout.split("\n");
    const [said = "", log = ""] = rest.join("\n").split("\n--\n");
    expect({ seed, name, read: words(read ?? "") }).toEqual({
      seed,
      name: "hello",
      read: words(summary),
    });
    expect(requires).not.toContain("evil");
    expect(words(said).replace(/^… /, "")).toBe(lines(description) || words(summary));
    expect(words(log)).toBe(words(`- ${subject}`));
  }
  await expect(access(join(dir, "RAN"))).rejects.toThrow();
  await rm(dir, { recursive: true });
});

/** A backslash at the end is lost on the way: in a spec it would join two lines. */
function words(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .trimStart()
    .replace(/[\s\\]+$/, "");
}

function lines(text: string): string {
  return words(text.split("\n").map(words).join(" "));
}
