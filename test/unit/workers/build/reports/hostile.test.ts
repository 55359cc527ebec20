import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testResult } from "../../../../../src/shared/build-messages.ts";
import { readReport } from "../../../../support/read-report.ts";

const FOLDER = new URL("../../../../fixtures/reports/", import.meta.url);
const SAMPLES = readdirSync(FOLDER).filter((name) => /\.(?:xml|tap|info)$/.test(name));
const read = (text: string) => readReport(Buffer.from(text));

/** The same numbers on every run: a failure can be found again. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  "<",
  ">",
  "&",
  "]]>",
  "<![CDATA[",
  "<!--",
  "</testcase>",
  "<testcase>",
  "\0",
  "\u001b[31m",
  "&#0;",
  "&x;",
  "\n    ",
  "not ok",
  "1..",
  "---\n",
  "...\n",
  "{\n",
  "}\n",
  "\ud800",
  "999999999999",
  "#",
  "<!DOCTYPE x [",
];

test.each(SAMPLES)(
  "no mutation of %s throws, or makes a message that the server refuses",
  (name) => {
    const sample = readFileSync(new URL(name, FOLDER), "utf8");
    const random = randomOf(name.length * 7_919 + sample.length);
    for (let round = 0; round < 150; round += 1) {
      let text = sample;
      for (let change = 0; change <= random(4); change += 1) {
        const at = random(text.length);
        const kind = random(3);
        if (kind === 0) text = text.slice(0, at) + text.slice(at + random(200));
        else if (kind === 1)
          text = text.slice(0, at) + (PIECES[random(PIECES.length)] ?? "") + text.slice(at);
        else
          text =
            text.slice(0, at) + text.slice(random(text.length), at + random(400)) + text.slice(at);
      }

      const found = read(text);

      for (const one of found.tests) expect(testResult.safeParse(one).success).toBe(true);
      expect(found.problems.filter((problem) => problem.includes("cannot be read"))).toEqual([]);
    }
  },
);

test("a document type of its own is refused before anything in it counts", () => {
  const found = read(
    `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
    <testsuite><testcase name="&b;"/></testsuite>`,
  );

  expect(found.tests).toEqual([]);
  expect(found.problems).toEqual([
    "line 1: it declares a document type of its own, which is not read",
  ]);
});

test("an entity that nobody knows stays what it is, and nothing is fetched", () => {
  const found = read(
    `<!DOCTYPE testsuite SYSTEM "file:///etc/passwd"><testsuite><testcase name="&secret; &amp; x"/></testsuite>`,
  );

  expect(found.tests.map(({ name }) => name)).toEqual(["&secret; & x"]);
  expect(found.problems).toHaveLength(1);
});

test("elements nested without end stop at a depth", () => {
  const found = read(`<testsuite>${"<a>".repeat(100_000)}`);

  expect(found.problems).toEqual(["line 1: elements are nested deeper than 100"]);
});

test("what a killed runner had written counts, and the file says that it ends early", () => {
  const found = read(
    `<testsuites><testsuite name="s"><testcase name="one"/><testcase name="two"><failure mess`,
  );

  expect(found.tests.map(({ name }) => name)).toEqual(["one"]);
  expect(found.problems).toHaveLength(1);
});

test("control characters of terminals are no reason to refuse a report", () => {
  const found = read(
    `<testsuite name="s"><testcase name="a\u001b[31mb"><failure message="&#27;[1mno&#x1b;[0m">\u001b[31mred\u001b[0m\u0008</failure></testcase></testsuite>`,
  );

  expect(found.tests).toMatchObject([{ name: "ab", message: "no", details: "red" }]);
  expect(found.problems).toEqual([]);
});

test("a failure of any length keeps its beginning and its end", () => {
  const long = `first line\n${"x".repeat(3_000_000)}\nlast line`;

  const [found] = read(
    `<testsuite><testcase name="t"><failure>${long}</failure></testcase></testsuite>`,
  ).tests;

  expect(found?.details.length).toBeLessThanOrEqual(16_000);
  expect(found?.details).toMatch(/^first line\n[^]*last line$/);
});

test("a text in a million pieces costs no more than its length", () => {
  const pieces = "<![CDATA[x]]> ".repeat(300_000);

  const [found] = read(
    `<testsuite><testcase name="t"><failure>${pieces}</failure></testcase></testsuite>`,
  ).tests;

  expect(found?.details.length).toBeLessThanOrEqual(16_000);
});

test.each([
  ["nothing at all", "", "it is empty"],
  [
    "a page",
    "<!doctype html><html><body>404</body></html>",
    "it is neither JUnit XML, TAP, Cobertura XML nor lcov",
  ],
  ["some text", "hello\nworld\n", "it is neither JUnit XML, TAP, Cobertura XML nor lcov"],
])("%s is no report", (_what, text, problem) => {
  const { tests, problems } = readReport(Buffer.from(`${text} `));

  expect({ tests, problems }).toEqual({ tests: [], problems: [problem] });
});

test("no more is read once no more is taken", () => {
  const many = '<testcase name="t"/>'.repeat(1_000);

  expect(
    readReport(Buffer.from(`<testsuite>${many}</testsuite>`), { most: 10 }).tests,
  ).toHaveLength(10);
  expect(readReport(Buffer.from("ok 1 - t\n".repeat(1_000)), { most: 10 }).tests).toHaveLength(10);
});

test("bytes are read in the encoding that they say", () => {
  const latin = Buffer.from(
    '<?xml version="1.0" encoding="ISO-8859-1"?><testsuite><testcase name="Zo\u00eb"/></testsuite>',
    "latin1",
  );
  const utf16 = Buffer.from('\ufeff<testsuite><testcase name="Zo\u00eb"/></testsuite>', "utf16le");
  const odd = Buffer.from(
    '<?xml version="1.0" encoding="klingon"?><testsuite><testcase name="Zo\u00eb"/></testsuite>',
  );

  for (const bytes of [latin, utf16, odd]) {
    expect(readReport(bytes).tests.map(({ name }) => name)).toEqual(["Zo\u00eb"]);
  }
});

test("a coverage file without sums is counted line by line, methods not twice", () => {
  const found = read(`<coverage line-rate="0.5"><packages><package><classes><class filename="a.c">
    <methods><method><lines><line number="1" hits="1"/></lines></method></methods>
    <lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class>
    <class filename="a.c"><lines><line number="2" hits="3"/><line number="3" hits="0"/></lines></class>
    </classes></package></packages></coverage>`);

  expect(found.coverage).toEqual([{ covered: 2, total: 3 }]);
});

test("lcov without sums is counted by its lines", () => {
  expect(
    read("TN:\nSF:a.c\nDA:1,0\nDA:2,12\nend_of_record\nSF:b.c\nLF:8\nLH:9\n").coverage,
  ).toEqual([{ covered: 9, total: 10 }]);
});
