import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** What the test wants in an RPM; everything else is plain. */
export interface RpmWish {
  readonly name: string;
  readonly version?: string;
  readonly release?: string;
  readonly epoch?: number;
  readonly arch?: string;
  readonly summary?: string;
  /** Content of the one file that it installs, `/usr/share/<name>/content`. */
  readonly content?: string;
  readonly description?: string;
  /** Size of a second file that no compression makes smaller. */
  readonly randomBytes?: number;
  /** More definitions for rpmbuild, e.g. `__gpg_reserved_space 0`. */
  readonly defines?: readonly string[];
  /** More lines for the preamble, e.g. `Requires: x`. */
  readonly preamble?: readonly string[];
  /** More commands for `%install`. */
  readonly install?: readonly string[];
  /** More lines for `%files`. */
  readonly files?: readonly string[];
  /** Sections in front of `%changelog`, e.g. a subpackage. */
  readonly sections?: readonly string[];
}

export interface MadeRpm {
  readonly fileName: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

const exec = promisify(execFile);

/** Binary packages, then the source package, as the host's rpmbuild makes them. */
export async function makeRpms(wish: RpmWish): Promise<readonly MadeRpm[]> {
  const folder = await mkdtemp(join(tmpdir(), "tatara-rpm-"));
  try {
    const spec = join(folder, "package.spec");
    await writeFile(spec, specOf(wish));
    const fixed = ["use_source_date_epoch_as_buildtime 1", "_buildhost reproducible"];
    const given = [`_topdir ${folder}`, ...fixed, ...(wish.defines ?? [])];
    const defines = given.flatMap((each) => ["--define", each]);
    const env = { ...process.env, SOURCE_DATE_EPOCH: "1700000000" };
    await exec("rpmbuild", ["-ba", ...defines, ...targetOf(wish), spec], { env });
    const names = await readdir(folder, { recursive: true });
    const isSource = (name: string): number => (name.endsWith(".src.rpm") ? 1 : 0);
    const rpms = names
      .filter((name) => name.endsWith(".rpm"))
      .toSorted((a, b) => isSource(a) - isSource(b) || (a < b ? -1 : 1));
    return await Promise.all(rpms.map((name) => readRpm(join(folder, name))));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The one binary package. */
export async function makeRpm(wish: RpmWish): Promise<MadeRpm> {
  const [rpm] = await makeRpms(wish);
  if (rpm === undefined) throw new Error("rpmbuild made nothing.");
  return rpm;
}

export async function readRpm(path: string): Promise<MadeRpm> {
  const bytes = await readFile(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { fileName: path.slice(path.lastIndexOf("/") + 1), bytes, sha256 };
}

function targetOf({ arch }: RpmWish): readonly string[] {
  return arch === undefined || arch === "noarch" ? [] : ["--target", arch];
}

function specOf(wish: RpmWish): string {
  const { name, version = "1.0", release = "1", epoch, arch = "noarch" } = wish;
  return [
    "%global debug_package %{nil}",
    `Name: ${name}`,
    `Version: ${version}`,
    `Release: ${release}`,
    ...(epoch === undefined ? [] : [`Epoch: ${epoch}`]),
    `Summary: ${wish.summary ?? `The package ${name}`}`,
    "License: MIT",
    ...(arch === "noarch" ? ["BuildArch: noarch"] : []),
    ...(wish.preamble ?? []),
    "%description",
    wish.description ?? "For tests.",
    "%install",
    `mkdir -p %{buildroot}/usr/share/${name}`,
    `printf '%%s' '${wish.content ?? "content"}' > %{buildroot}/usr/share/${name}/content`,
    ...(wish.randomBytes === undefined
      ? []
      : [`head -c ${wish.randomBytes} /dev/urandom > %{buildroot}/usr/share/${name}/random`]),
    ...(wish.install ?? []),
    "%files",
    `/usr/share/${name}`,
    ...(wish.files ?? []),
    ...(wish.sections ?? []),
    "%changelog",
    "* Mon Jan 01 2024 Ada Example <ada@example.com> - 1.0-1",
    "- First <version> & more",
    "",
  ].join("\n");
}
