import fc from "fast-check";
import { changelogLines, preamble, section } from "./spec-text.ts";

const SEED = 20_260_101;
const SUBPACKAGES = 280;

/** One spec of many packages, each with its own mix of relations, texts, scripts and files. */
export function manySpec(): string {
  const wishes = fc.sample(subpackageWish, { numRuns: SUBPACKAGES, seed: SEED });
  return [
    preamble("many", ["Vendor: Ada & Söhne", 'Packager: "Ada" <ada@example.com>']),
    section("%description", "Many packages."),
    ...wishes.map(subpackage),
    section("%install", ...wishes.flatMap(installLines)),
    section("%files"),
    ...wishes.map(filesSection),
    section("%changelog", ...changelogLines(14)),
  ].join("\n");
}

const NAMES = [
  "alpha",
  "beta-libs",
  "perl(Foo::Bar)",
  "libx.so.1()(64bit)",
  "pkgconfig(x)",
  "böse",
];
const EVRS = [
  "1",
  "1.0-1",
  "2:1.0-1",
  "0:3",
  "1.0~rc1",
  "1.0^20240101g",
  "4-1.el9",
  "1.a+b_c-2~3^4",
];
const RICH = ["(alpha if beta)", "(a >= 1 or b)", "(c with c < 2)", "(a and (b or c))"];
const LIBC = ["", "(GLIBC_2.4)", "(GLIBC_2.34)(64bit)", "(GLIBC_2.2.5)(64bit)", "()(64bit)"];
const SELF = ["/etc/own.conf", "/usr/bin/own", "/usr/share/own", "/usr/lib/sendmail"];
const TEXTS = [
  "Plain words",
  "<b>&amp; \"quoted\" 'single' ]]></b>",
  "Ünïcödé ☃ 𝒳 — ",
  "tab\there",
  "A very long line. ".repeat(60).trim(),
];
const FILES = [
  "etc/{}.conf",
  "etc/{}/deep/er/file",
  "usr/bin/{}",
  "usr/sbin/{}",
  "usr/lib/{}/libexec.bin/x",
  "usr/lib/{}.so.1.2",
  "usr/share/{}/with space & <sign>",
  "usr/share/{}/ünï",
  "opt/{}/cabin/y",
  "usr/lib/debug/.build-id/ab/{}.debug",
];

const evr = fc.constantFrom(...EVRS);
const relationWith = (names: readonly string[]) =>
  fc.oneof(
    fc.constantFrom(...names),
    fc
      .tuple(fc.constantFrom(...names), fc.constantFrom("<", "<=", "=", ">=", ">"), evr)
      .map((parts) => parts.join(" ")),
  );
const relation = relationWith(NAMES);
const requirement = fc.oneof(
  relation,
  fc.constantFrom(...RICH, ...SELF),
  fc.constantFrom(...LIBC).map((symbol) => `libc.so.6${symbol}`),
);

const subpackageWish = fc.record({
  version: fc.option(fc.constantFrom("2", "1.0~beta2", "3^git1", "0.0.0~~", "20240101")),
  epoch: fc.option(fc.constantFrom("1", "0", "42"), { freq: 3 }),
  release: fc.option(fc.constantFrom("1.el9", "0.1~rc", "7^x")),
  noarch: fc.boolean(),
  summary: fc.constantFrom(...TEXTS),
  description: fc.array(fc.constantFrom(...TEXTS), { maxLength: 5 }),
  group: fc.option(fc.constantFrom("System/Base", "Entwicklung/Ä"), { freq: 2 }),
  url: fc.option(fc.constant("https://example.com/?a=1&b=<2>")),
  tags: fc.uniqueArray(
    fc.oneof(
      fc.tuple(fc.constantFrom("Requires", "Requires(pre)", "Requires(post)"), requirement),
      fc.tuple(fc.constantFrom("Requires(preun)", "Requires(pretrans)"), requirement),
      fc.tuple(fc.constantFrom("Provides", "Conflicts"), relation),
      fc.tuple(fc.constant("Obsoletes"), relationWith(["alpha", "beta-libs", "old+x"])),
      fc.tuple(fc.constantFrom("Recommends", "Suggests", "Supplements", "Enhances"), relation),
      fc.tuple(fc.constant("Recommends"), fc.constantFrom(...RICH)),
      fc.tuple(fc.constant("Supplements"), fc.constant("(alpha and (b or c))")),
    ),
    { maxLength: 14, selector: (tag) => tag.join() },
  ),
  scripts: fc.uniqueArray(fc.constantFrom("%pre", "%post", "%preun", "%postun", "%posttrans")),
  files: fc.uniqueArray(
    fc.tuple(
      fc.constantFrom(...FILES),
      fc.constantFrom(
        "",
        "%config ",
        "%config(noreplace) ",
        "%doc ",
        "%ghost ",
        "%attr(4755,a,b) ",
      ),
      fc.constantFrom("file", "dir", "link"),
    ),
    { maxLength: 7, selector: ([path]) => path },
  ),
});

type SubpackageWish = typeof subpackageWish extends fc.Arbitrary<infer Wish> ? Wish : never;

const nameOf = (_wish: SubpackageWish, index: number): string => `s${index}`;

function subpackage(wish: SubpackageWish, index: number): string {
  const name = nameOf(wish, index);
  const set = (tag: string, value: string | null) => (value === null ? [] : [`${tag}: ${value}`]);
  return [
    section(
      `%package -n ${name}`,
      `Summary: ${wish.summary}`,
      ...set("Version", wish.version),
      ...set("Release", wish.release),
      ...set("Epoch", wish.epoch),
      ...set("Group", wish.group),
      ...set("URL", wish.url),
      ...(wish.noarch ? ["BuildArch: noarch"] : []),
      ...wish.tags.map(([tag, value]) => `${tag}: ${value}`),
    ),
    section(`%description -n ${name}`, ...wish.description),
    ...wish.scripts.map((script) => section(`${script} -n ${name}`, `echo ${script.slice(1)}`)),
  ].join("\n");
}

/** `own` paths are those that requirements name. */
function pathsOf(
  wish: SubpackageWish,
  index: number,
): readonly (readonly [string, string, string])[] {
  const own = index % 2 === 0 ? "own" : nameOf(wish, index);
  return wish.files.map(([path, attribute, kind]) => [path.replace("{}", own), attribute, kind]);
}

function installLines(wish: SubpackageWish, index: number): readonly string[] {
  const root = `%{buildroot}`;
  return pathsOf(wish, index).map(([path, , kind]) => {
    const at = `"${root}/${path}"`;
    const parent = `mkdir -p "${root}/${path.slice(0, path.lastIndexOf("/"))}"`;
    if (kind === "dir") return `[ -e ${at} ] || [ -L ${at} ] || mkdir -p ${at}`;
    if (kind === "link") return `${parent}; [ -e ${at} ] || ln -sfn target/${index} ${at}`;
    return `${parent}; [ -e ${at} ] || [ -L ${at} ] || echo ${index} > ${at}`;
  });
}

function filesSection(wish: SubpackageWish, index: number): string {
  const lines = pathsOf(wish, index).map(([path, attribute, kind]) => {
    const dir = kind === "dir" && index % 2 === 1 ? "%dir " : "";
    return `${attribute}${dir}"/${path}"`;
  });
  return section(`%files -n ${nameOf(wish, index)}`, ...lines);
}
