import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);
const DNF_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 4 * 2 ** 20;
const OWN_FOLDERS = ["cachedir", "persistdir", "logdir"] as const;
const PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export type MakecacheEnd = "ok" | "no-dnf" | { readonly problem: string };

/** Fetches a channel's metadata as a new host would; touches nothing outside a folder of its own. */
export async function makecache(repoText: string, signal: AbortSignal): Promise<MakecacheEnd> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-doctor-"));
  try {
    for (const name of ["repos", ...OWN_FOLDERS]) await mkdir(join(folder, name));
    // With `skip_if_unavailable`, as distributions set it, a bad signature would be status 0.
    const text = repoText.replace(/^enabled=1$/gm, "enabled=1\nskip_if_unavailable=0");
    await writeFile(join(folder, "repos", "tatara.repo"), text);
    await writeFile(join(folder, "dnf.conf"), "[main]\n");
    const place = (name: string): string => `--setopt=${name}=${join(folder, name)}`;
    await exec(
      "dnf",
      [
        `--config=${join(folder, "dnf.conf")}`,
        `--setopt=reposdir=${join(folder, "repos")}`,
        `--installroot=${join(folder, "root")}`,
        ...OWN_FOLDERS.map(place),
        "--releasever=9",
        "--assumeyes",
        "--quiet",
        "makecache",
      ],
      {
        signal,
        timeout: DNF_TIMEOUT_MS,
        maxBuffer: OUTPUT_BYTES_MAX,
        env: { PATH, LC_ALL: "C.UTF-8", HOME: folder },
      },
    );
    return "ok";
  } catch (err) {
    signal.throwIfAborted();
    const { code, stderr, message } = err as { code?: unknown; stderr?: string; message: string };
    if (code === "ENOENT") return "no-dnf";
    const lines = (stderr ?? "").split("\n").filter((line) => line.trim() !== "");
    const said = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? message;
    return { problem: said.trim() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
