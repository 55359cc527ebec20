import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PER_SPEC = 250;
const BUILD_MS = 300_000;

/** Real RPMs `race-0001` … without scripts or requirements; rpmbuild makes 250 in some 8 s. */
export async function madePackages(folder: string, count: number): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (let from = 1; from <= count; from += PER_SPEC) {
    const upTo = Math.min(count, from + PER_SPEC - 1);
    const names = Array.from({ length: upTo - from + 1 }, (_, i) => nameOf(from + i));
    const spec = join(folder, `race-${from}.spec`);
    await writeFile(spec, specOf(`race-set-${from}`, names));
    const defines = [
      `_topdir ${folder}`,
      `_rpmdir ${folder}`,
      "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    ];
    const args = defines.flatMap((define) => ["--define", define]);
    await run("rpmbuild", ["-bb", ...args, spec], { timeout: BUILD_MS, maxBuffer: 64 * 2 ** 20 });
    for (const name of names) paths.push(join(folder, fileNameOf(name)));
  }
  return paths;
}

function nameOf(number: number): string {
  return `race-${String(number).padStart(5, "0")}`;
}

function fileNameOf(name: string): string {
  return `${name}-1.0-1.noarch.rpm`;
}

function specOf(set: string, names: readonly string[]): string {
  const packages = names.flatMap((name) => [
    `%package -n ${name}`,
    `Summary: ${name}`,
    `%description -n ${name}`,
    "For torture.",
    `%files -n ${name}`,
    `/usr/share/${name}`,
  ]);
  return [
    `Name: ${set}`,
    "Version: 1.0",
    "Release: 1",
    "Summary: A set",
    "License: MIT",
    "BuildArch: noarch",
    "%description",
    "For torture.",
    "%install",
    `for name in ${names.join(" ")}; do`,
    "  mkdir -p %{buildroot}/usr/share/$name; echo $name > %{buildroot}/usr/share/$name/name",
    "done",
    ...packages,
    "",
  ].join("\n");
}
