import { execFile } from "node:child_process";
import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { manySpec } from "./many-spec.ts";
import { changelogLines, preamble, section } from "./spec-text.ts";

/** A spec file for the host's rpmbuild, and how it is called. */
interface CorpusSpec {
  readonly name: string;
  readonly spec: string | Buffer;
  readonly defines?: readonly string[];
  readonly target?: string;
}

const exec = promisify(execFile);
const HUGE_FILES = 10_000;
const GIB = 2 ** 30;

/** Builds all specs into `folder`, which must be empty. Paths of the RPMs, source packages too. */
export async function makeRpmCorpus(folder: string): Promise<readonly string[]> {
  const specs = [...corpusSpecs()];
  const next = async (): Promise<void> => {
    for (let spec = specs.shift(); spec !== undefined; spec = specs.shift()) {
      await build(folder, spec);
    }
  };
  await Promise.all([next(), next(), next()]);
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(".rpm")).map((name) => join(folder, name));
}

async function build(folder: string, { name, spec, defines = [], target }: CorpusSpec) {
  const top = join(folder, name);
  await mkdir(join(top, "SOURCES"), { recursive: true });
  await writeFile(join(top, "SOURCES", "source.txt"), `The source of ${name}.\n`);
  const path = join(top, `${name}.spec`);
  await writeFile(path, spec);
  const fixed = [
    `_topdir ${top}`,
    "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "_invalid_encoding_terminates_build 0",
    "_unpackaged_files_terminate_build 0",
    "_buildhost reproducible",
    "clamp_mtime_to_source_date_epoch 1",
    "source_date_epoch_from_changelog 0",
  ];
  const args = [...fixed, ...defines].flatMap((define) => ["--define", define]);
  const how = target === undefined ? [] : ["--target", target];
  await exec("rpmbuild", ["-ba", "--quiet", ...args, ...how, path], { maxBuffer: 2 ** 26 });
  for (const each of await readdir(top, { recursive: true })) {
    if (!each.endsWith(".rpm")) continue;
    await rename(join(top, each), join(folder, `${name}-${each.slice(each.lastIndexOf("/") + 1)}`));
  }
}

function corpusSpecs(): readonly CorpusSpec[] {
  return [
    { name: "many", spec: manySpec(), target: "x86_64" },
    { name: "huge", spec: hugeSpec() },
    { name: "native", spec: nativeSpec() },
    ...PAYLOADS.map((payload, index) => payloadSpec(payload, index)),
    ...ODD_SPECS,
  ];
}

/** What rpmbuild makes of a package with neither relations nor files is a test too. */
const BARE = preamble("bare", ["BuildArch: noarch"]) + section("%description") + section("%files");

const ODD_SPECS: readonly CorpusSpec[] = [
  { name: "bare", spec: BARE },
  { name: "nosource", spec: nosourceSpec() },
  { name: "large", spec: largeSpec() },
  { name: "unicode", spec: unicodeSpec() },
  { name: "latin1", spec: Buffer.from(latin1Spec(), "latin1") },
  { name: "scripts", spec: scriptsSpec(), target: "noarch" },
  ...["aarch64", "i686", "s390x", "ppc64le"].map((target) => ({
    name: `on-${target}`,
    spec: preamble(`on-${target}`, ["Epoch: 4294967295"]) + section("%description") + "%files\n",
    target,
  })),
];

const PAYLOADS = [
  "w9.gzdio",
  "w9.bzdio",
  "w2.xzdio",
  "w2.lzdio",
  "w3.zstdio",
  "w.ufdio",
  "w7T2.xzdio",
];
/** MD5, SHA-1, SHA-256, SHA-384, SHA-512 in OpenPGP's numbers. */
const FILE_DIGESTS = [1, 2, 8, 9, 10];

function payloadSpec(payload: string, index: number): CorpusSpec {
  const name = `payload-${payload.replace(".", "-").toLowerCase()}`;
  const spec = [
    preamble(name, ["BuildArch: noarch", "Source0: source.txt", `Epoch: ${index}`]),
    section("%description", `Packed with ${payload}.`),
    section("%package doc", "Summary: Its documentation", "%description doc", "Text."),
    section("%install", `mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/${name}`),
    `seq 1 5000 > %{buildroot}/usr/share/${name}/numbers`,
    `echo x > %{buildroot}/usr/bin/${name}`,
    section("%files", `/usr/bin/${name}`),
    section("%files doc", `/usr/share/${name}`),
    section("%changelog", ...changelogLines(index * 3)),
  ].join("\n");
  const digest = FILE_DIGESTS[index % FILE_DIGESTS.length];
  return {
    name,
    spec,
    defines: [
      `_binary_payload ${payload}`,
      `_source_payload ${payload}`,
      `_binary_filedigest_algorithm ${digest}`,
      `_source_filedigest_algorithm ${digest}`,
      `__gpg_reserved_space ${index * 1000}`,
    ],
  };
}

function hugeSpec(): string {
  return [
    preamble("huge", ["BuildArch: noarch", "AutoReqProv: no"]),
    section("%description", "Many files."),
    section(
      "%install",
      "mkdir -p %{buildroot}/usr/share/huge && cd %{buildroot}/usr/share/huge",
      "for dir in $(seq 100); do",
      `  mkdir -p $dir/bin; seq -f "$dir/bin/file-%%05g" ${HUGE_FILES / 100} | xargs touch`,
      "done",
    ),
    section("%files", "/usr/share/huge"),
  ].join("\n");
}

/** Compiled, so that rpmbuild finds relations and makes debuginfo and debugsource packages. */
function nativeSpec(): string {
  return [
    preamble("native").replace("%global debug_package %{nil}\n", ""),
    section("%description", "A program and a library."),
    "%debug_package",
    section(
      "%build",
      "echo 'int twice(int x) { return 2 * x; }' > twice.c",
      "echo '#include <stdio.h>' > main.c",
      "echo 'int twice(int); int main(void) { return printf(\"%%d\", twice(2)); }' >> main.c",
      "gcc -g -shared -fPIC -Wl,-soname,libtwice.so.1 -o libtwice.so.1.0 twice.c",
      "gcc -g -o native main.c ./libtwice.so.1.0",
    ),
    section(
      "%install",
      "install -D -m 755 libtwice.so.1.0 %{buildroot}/usr/lib64/libtwice.so.1.0",
      "ln -s libtwice.so.1.0 %{buildroot}/usr/lib64/libtwice.so.1",
      "install -D -m 755 native %{buildroot}/usr/bin/native",
    ),
    section("%files", "/usr/bin/native", "/usr/lib64/*"),
  ].join("\n");
}

function nosourceSpec(): string {
  const sources = ["Source0: source.txt", "Source1: https://example.com/source.txt", "NoSource: 1"];
  return [
    preamble("nosource", ["BuildArch: noarch", ...sources]),
    section("%description", "Its source is not in it."),
    section("%files"),
  ].join("\n");
}

/** Ghosts have a size but no content, so that five gibibytes cost nothing. */
function largeSpec(): string {
  return [
    preamble("large", ["BuildArch: noarch"]),
    section("%description", "Larger than 32 bits."),
    section(
      "%install",
      "mkdir -p %{buildroot}/var/lib/large",
      `truncate -s ${5 * GIB} %{buildroot}/var/lib/large/disk`,
      "touch %{buildroot}/var/lib/large/small",
    ),
    section("%files", "%ghost /var/lib/large/disk", "/var/lib/large/small"),
  ].join("\n");
}

function unicodeSpec(): string {
  const names = ["ümlaut", "日本語", "🦆", "a&b", "it's", "x;y", "q=1", "comma,"];
  return [
    preamble("unicode", ["BuildArch: noarch", "Provides: 日本語 = 1", "Vendor: Ørsted\tInc."]),
    section("%description", "Combining: é é, right to left: שלום, astral: 🦆𝔘.", "\u0085\u009f"),
    section(
      "%install",
      "mkdir -p %{buildroot}/etc",
      ...names.map((name) => `touch "%{buildroot}/etc/${name}"`),
    ),
    section("%files", ...names.map((name) => `"/etc/${name}"`)),
    section("%changelog", "* Wed Feb 28 2024 Åsa <å@example.com>", '- ☃ <snow> & "ice"'),
  ].join("\n");
}

/** Written as Latin-1, the way of specs from before UTF-8. */
function latin1Spec(): string {
  return [
    preamble("latin1", [
      "BuildArch: noarch",
      "Packager: J\u00fcrgen \u0080\u0093",
      "Provides: b\u00f6se = 1",
    ]),
    section("%description", "Gr\u00fc\u00dfe, caf\u00e9 \u00bd."),
    section("%install", "mkdir -p %{buildroot}/etc", 'touch "%{buildroot}/etc/f\u00fcr"'),
    section("%files", '"/etc/f\u00fcr"'),
    section("%changelog", "* Wed Feb 28 2024 J\u00fcrgen <j@example.com>", "- Ge\u00e4ndert"),
  ].join("\n");
}

function scriptsSpec(): string {
  return [
    preamble("scripts", ["Requires(verify): sh"]),
    section("%description", "All kinds of scripts."),
    section("%pretrans -p <lua>", "print('lua')"),
    section("%pre", "echo pre"),
    section("%post -p /sbin/ldconfig"),
    section("%preun", "echo preun"),
    section("%postun -p /usr/bin/perl", "print 1;"),
    section("%posttrans", "echo posttrans"),
    section("%verifyscript", "echo verify"),
    section("%triggerin -- alpha, beta < 2", "echo triggerin"),
    section("%triggerun -- gamma", "echo triggerun"),
    section("%triggerpostun -- delta > 1", "echo triggerpostun"),
    section("%triggerprein -- epsilon", "echo triggerprein"),
    section("%filetriggerin -- /usr/lib /etc", "echo filetriggerin"),
    section("%transfiletriggerun -p <lua> -- /usr/share", "print('t')"),
    section("%files"),
  ].join("\n");
}
