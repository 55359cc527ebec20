import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface UpstreamSource extends AsyncDisposable {
  /** The unpacked upstream tree, without Debian's own files. */
  readonly dir: string;
  readonly version: string;
}

/**
 * Fetches a program's upstream sources from the archive that this machine's packages come from, with
 * lists and settings of its own, so that nothing on the machine changes.
 */
export async function debianSource(name: string): Promise<UpstreamSource> {
  const root = await mkdtemp(join(tmpdir(), "tatara-source-"));
  const remove = () => rm(root, { recursive: true, force: true });
  try {
    await mkdir(join(root, "lists", "partial"), { recursive: true });
    await mkdir(join(root, "sources.d"));
    await writeSources(join(root, "sources.d"));
    const options = [
      `Dir::Etc::sourcelist=/dev/null`,
      `Dir::Etc::sourceparts=${join(root, "sources.d")}`,
      `Dir::State::lists=${join(root, "lists")}`,
      "APT::Sandbox::User=root",
      "pkgCacheFile=",
      "Dir::Cache::pkgcache=",
      "Dir::Cache::srcpkgcache=",
    ].flatMap((option) => ["-o", option]);
    const apt = (...args: string[]) =>
      run("apt-get", [...options, "--quiet", ...args], { cwd: root, timeout: 180_000 });
    await apt("update");
    await apt("source", "--download-only", "--only-source", name);

    const files = await readdir(root);
    const orig = files.find((file) => /\.orig\.tar\.[a-z0-9]+$/.test(file));
    if (orig === undefined) throw new Error(`No upstream archive among ${files.join(", ")}.`);
    const dir = join(root, "tree");
    await mkdir(dir);
    await run("tar", [
      "-xf",
      join(root, orig),
      "-C",
      dir,
      "--strip-components=1",
      "--no-same-owner",
    ]);
    const version = /_(.+)\.orig\.tar/.exec(orig)?.[1] ?? "";
    return { dir, version, [Symbol.asyncDispose]: remove };
  } catch (err) {
    await remove();
    throw err;
  }
}

/** The machine's own archives, asked for sources instead of packages. */
async function writeSources(dir: string): Promise<void> {
  const parts = "/etc/apt/sources.list.d";
  const names = (await readdir(parts).catch(() => [])).map((name) => join(parts, name));
  for (const [index, path] of ["/etc/apt/sources.list", ...names].entries()) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (path.endsWith(".sources")) {
      await writeFile(
        join(dir, `${index}.sources`),
        text.replace(/^Types:.*$/gm, "Types: deb-src"),
      );
    } else if (path.endsWith(".list")) {
      const lines = text.split("\n").filter((line) => line.startsWith("deb "));
      const sources = lines.map((line) => line.replace(/^deb /, "deb-src "));
      await writeFile(join(dir, `${index}.list`), `${sources.join("\n")}\n`);
    }
  }
}
