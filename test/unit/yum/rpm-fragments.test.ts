import { expect, test } from "vitest";
import { fragmentsOf } from "../../../src/yum/rpm/fragments.ts";
import type { Fragments, PackageFile } from "../../../src/yum/rpm/fragments.ts";
import type { RpmFileEntry } from "../../../src/yum/rpm/rpm-package.ts";
import { parseRpm, RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import { canonicalXml } from "../../support/canonical-xml.ts";
import { int16, int32, PLAIN, rpmBytes, text, texts } from "../../support/rpm-bytes.ts";
import type { RpmEntry } from "../../support/rpm-bytes.ts";

const FILE: PackageFile = {
  sha256: "a".repeat(64),
  sizeBytes: 99,
  fileName: "x.rpm",
  mtimeSeconds: 7,
};

function fragments(...entries: readonly RpmEntry[]): Fragments {
  return fragmentsOf(parseRpm(rpmBytes({ main: [...PLAIN, ...entries] })), FILE);
}

function relations(
  kind: "provides" | "requires",
  list: readonly (readonly [string, string, number])[],
) {
  const [name, version, flags] = kind === "provides" ? [1047, 1113, 1112] : [1049, 1050, 1048];
  return [
    texts(
      name,
      list.map(([each]) => each),
    ),
    texts(
      version,
      list.map(([, evr]) => evr),
    ),
    int32(
      flags,
      list.map(([, , bits]) => bits),
    ),
  ];
}

function requiredNames(xml: string): readonly string[] {
  const list = /<rpm:requires>[\s\S]*<\/rpm:requires>/.exec(xml)?.[0] ?? "";
  return [...list.matchAll(/name="([^"]*)"/g)].map(([, name = ""]) => name);
}

test("the fragments of a plain package, to the letter", () => {
  const { filelists, other, primary } = fragments();

  const id = `<package pkgid="${FILE.sha256}" name="plain" arch="noarch">`;
  const version = '<version epoch="0" ver="1.0" rel="1"/>';
  expect(filelists).toBe(`${id}\n  ${version}\n</package>\n`);
  expect(other).toBe(filelists);
  expect(primary).toBe(`<package type="rpm">
  <name>plain</name>
  <arch>noarch</arch>
  ${version}
  <checksum type="sha256" pkgid="YES">${FILE.sha256}</checksum>
  <summary></summary>
  <description></description>
  <packager></packager>
  <url></url>
  <time file="7" build="0"/>
  <size package="99" installed="0" archive="7"/>
  <location href="p/${FILE.sha256}/x.rpm"/>
  <format>
    <rpm:license></rpm:license>
    <rpm:vendor></rpm:vendor>
    <rpm:group></rpm:group>
    <rpm:buildhost></rpm:buildhost>
    <rpm:sourcerpm>plain-1.0-1.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="${/start="(\d+)"/.exec(primary)?.[1]}" end="${/end="(\d+)"/.exec(primary)?.[1]}"/>
  </format>
</package>
`);
});

test("attributes are ASCII and elements UTF-8, as libxml2 writes them for createrepo_c", () => {
  const { primary } = fragments(
    text(1005, 'ü 🦆 "'),
    ...relations("provides", [['ü 🦆 "', "é", 8]]),
  );

  expect(primary).toContain('<description>ü 🦆 "</description>');
  expect(primary).toContain('name="&#xFC; &#x1F986; &quot;" flags="EQ" epoch="0" ver="&#xE9;"');
});

test("of several versions of libc's symbols the highest is required, at the end", () => {
  const { primary } = fragments(
    ...relations("requires", [
      ["libc.so.6(GLIBC_2.4)", "", 0],
      ["libc.so.6(GLIBC_2.34)(64bit)", "", 0],
      ["z", "", 0],
      ["libc.so.6()(64bit)", "", 0],
    ]),
  );

  expect(requiredNames(primary)).toEqual(["z", "libc.so.6(GLIBC_2.34)(64bit)"]);
});

test("what the package has itself is not required, nor what rpm must be able to do", () => {
  const { primary } = fragments(
    int16(1030, [0o100644, 0o100644]),
    int32(1037, [0, 0]),
    int32(1116, [0, 1]),
    texts(1117, ["own", "own"]),
    texts(1118, ["/usr/bin/", "/usr/share/"]),
    ...relations("provides", [
      ["virtual", "", 0],
      ["versioned", "1", 8],
    ]),
    ...relations("requires", [
      ["/usr/bin/own", "", 0],
      ["/usr/share/own", "", 0],
      ["rpmlib(X)", "1", 10],
      ["versioned", "1", 8],
      ["versioned", "1", 12],
      ["virtual", "", 0],
    ]),
  );

  expect(requiredNames(primary)).toEqual(["/usr/share/own", "versioned"]);
});

test("a requirement is repeated only where it differs from its last mention", () => {
  const { primary } = fragments(
    ...relations("requires", [
      ["a", "", 0],
      ["a", "", 0],
      ["a", "", 512],
      ["a", "", 0],
      ["a", "bad:1", 8],
    ]),
  );

  expect(primary.match(/<rpm:entry .*/g)).toEqual([
    '<rpm:entry name="a"/>',
    '<rpm:entry name="a" pre="1"/>',
    '<rpm:entry name="a"/>',
  ]);
});

test("changelog entries of one time are told apart, ten of them at most, oldest first", () => {
  const times = [102, 101, 101, 101, 50, 7, 6, 5, 4, 3, 2, 1];
  const entries = [
    int32(1080, times),
    texts(
      1081,
      times.map((_, index) => `author ${index}   `),
    ),
    texts(
      1082,
      times.map(() => ""),
    ),
  ];

  const { other } = fragments(...entries);
  const short = fragmentsOf(parseRpm(rpmBytes({ main: [...PLAIN, ...entries] })), FILE, {
    changelogMax: 2,
  });

  const dates = [...other.matchAll(/author="author (\d+)" date="(\d+)"/g)];
  expect(dates.map(([, author, date]) => `${author} ${date}`)).toEqual([
    "9 3",
    "8 4",
    "7 5",
    "6 6",
    "5 7",
    "4 50",
    "3 101",
    "2 102",
    "1 103",
    "0 104",
  ]);
  expect(short.other.match(/<changelog/g)).toHaveLength(2);
});

test.each([
  ["a control character in a text", [text(1005, "bell \u0007")]],
  ["a control character in a file's name", fileNamed(Buffer.from("esc\u001b"))],
  ["a control character in a relation", relations("provides", [["a\u0001", "", 0]])],
  ["a character that is none, in an element", [text(1005, "\uffff")]],
  ["a character that is none, in an attribute", relations("provides", [["a\ufffe", "", 0]])],
])("%s is refused, for no client could read the channel", (_, entries) => {
  expect(() => fragments(...entries)).toThrow(RpmRefused);
  expect(() => fragments(...entries)).toThrow("control characters");
});

test("half a surrogate pair in the file's name is refused too", () => {
  const rpm = parseRpm(rpmBytes({ main: PLAIN }));

  expect(() => fragmentsOf(rpm, { ...FILE, fileName: "\ud800.rpm" })).toThrow("control characters");
});

test("bytes that only look like UTF-8 come out as characters that XML has", () => {
  const surrogate = Buffer.from([0xed, 0xa0, 0x80]);
  const { primary, filelists } = fragments(text(1005, surrogate), ...fileNamed(surrogate));

  expect(canonicalXml(primary)).toContain("<description>í</description>");
  expect(canonicalXml(filelists)).toContain("<file>/í</file>");
});

test("markup in a name stays text", () => {
  const { primary } = fragments(
    text(1000, `<a>"&amp;`),
    text(1022, `">`),
    ...fileNamed(Buffer.from("<&")),
  );

  expect(canonicalXml(primary)).toContain("<name>&#60;a&#62;&#34;&#38;amp;</name>");
  expect(canonicalXml(fragments(text(1022, `">`)).filelists)).toContain('arch="&#34;&#62;"');
});

test("a folder's long name, repeated for each of its files, has a bound", () => {
  const files = Array.from({ length: 60_000 }, () => "f");
  const long = [
    int16(
      1030,
      files.map(() => 0o100644),
    ),
    int32(
      1037,
      files.map(() => 0),
    ),
    int32(
      1116,
      files.map(() => 0),
    ),
    texts(1117, files),
    texts(1118, [`/${"d".repeat(1000)}/`]),
  ];

  expect(() => fragments(...long)).toThrow("paths take more than");
});

test("a document has a bound, and so has each text", () => {
  const rpm = parseRpm(rpmBytes({ main: [...PLAIN, ...fileNamed(Buffer.from("x"))] }));
  const [file] = rpm.files;
  const path = "/usr/share/".padEnd(2 ** 20, "x");
  const files = Array.from({ length: 65 }, () => ({ ...file, path }) as RpmFileEntry);

  expect(() => fragmentsOf({ ...rpm, files }, FILE)).toThrow("characters of XML");
  expect(() => fragments(text(1005, "x".repeat(5 * 2 ** 20)))).toThrow("a text (tag 1005)");
});

function fileNamed(name: Buffer): readonly RpmEntry[] {
  return [
    int16(1030, [0o100644]),
    int32(1037, [0]),
    int32(1116, [0]),
    texts(1117, [name]),
    texts(1118, ["/"]),
  ];
}
