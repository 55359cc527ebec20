import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { finishFragments, splitDocument } from "../../../workers/publish/fragments.ts";
import { nextGeneration } from "../../../workers/publish/generation.ts";
import type { Generation } from "../../../workers/publish/generation.ts";
import { assembleRepodata } from "../../../workers/publish/repodata.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

function draftOf(sha256: string) {
  return {
    primary: `<package type="rpm">
  <name>hello</name>
  <checksum type="sha256" pkgid="YES">${sha256}</checksum>
  <description>&lt;size package="100"/&gt; ${sha256}</description>
  <size package="100" installed="3" archive="388"/>
  <location href="p/${sha256}/hello-1-1.noarch.rpm"/>
    <rpm:header-range start="40" end="60"/>
</package>
`,
    filelists: `<package pkgid="${sha256}" name="hello" arch="noarch">\n</package>\n`,
    other: `<package pkgid="${sha256}" name="hello" arch="noarch">\n</package>\n`,
  };
}

describe("fragments", () => {
  const from = { sha256: A, sizeBytes: 100, fileName: "hello-1-1.noarch.rpm" };

  test("of a signed file differ in its digest, size and header range, and in nothing else", () => {
    const finished = finishFragments(draftOf(A), from, { ...from, sha256: B, sizeBytes: 108 });

    expect(finished.primary).toBe(`<package type="rpm">
  <name>hello</name>
  <checksum type="sha256" pkgid="YES">${B}</checksum>
  <description>&lt;size package="100"/&gt; ${A}</description>
  <size package="108" installed="3" archive="388"/>
  <location href="p/${B}/hello-1-1.noarch.rpm"/>
    <rpm:header-range start="48" end="68"/>
</package>
`);
    expect(finished.filelists).toBe(draftOf(B).filelists);
    expect(finished.other).toBe(draftOf(B).other);
  });

  test.each([
    ["no draft", undefined, "cannot be written as XML"],
    ["a control character", { ...draftOf(A), other: "\u0007" }, "cannot be written as XML"],
    ["another digest", draftOf(B), "no such text once"],
    ["twice the same place", { ...draftOf(A), other: draftOf(A).other.repeat(2) }, "no such text"],
  ])("%s is refused", (_, draft, message) => {
    expect(() => finishFragments(draft, from, { ...from, sha256: B })).toThrow(message);
  });

  test("are found in a document by their digest", () => {
    const xml = `<?xml?>\n<metadata packages="2">\n${draftOf(A).primary}${draftOf(B).primary}</metadata>`;

    expect([...splitDocument(xml)]).toEqual([
      [A, draftOf(A).primary],
      [B, draftOf(B).primary],
    ]);
  });
});

describe("a target's metadata", () => {
  test("has the exact count, and an index that names each document by its digest", async () => {
    const revision = { number: 7, createdAt: 1_700_000_000_500 };

    const { documents, repomd } = await assembleRepodata([draftOf(A), draftOf(B)], revision);

    const index = repomd.toString();
    expect(index).toContain("<revision>7</revision>");
    expect(index).toContain("<timestamp>1700000000</timestamp>");
    for (const { name, bytes } of documents) {
      const open = gunzipSync(bytes);
      expect(open.toString()).toContain('packages="2">\n<package ');
      expect(name.startsWith(digest(bytes))).toBe(true);
      const facts = index.slice(0, index.indexOf(name)).split("<data ").at(-1) ?? "";
      expect(facts).toContain(`<checksum type="sha256">${digest(bytes)}<`);
      expect(facts).toContain(`<open-checksum type="sha256">${digest(open)}<`);
      const sizes = index.slice(index.indexOf(name)).split("</data>")[0] ?? "";
      expect(sizes).toContain(`<size>${bytes.length}</size>`);
      expect(sizes).toContain(`<open-size>${open.length}</open-size>`);
    }
    expect(documents.map(({ name }) => name.slice(65))).toEqual([
      "primary.xml.gz",
      "filelists.xml.gz",
      "other.xml.gz",
    ]);
  });

  test("of the same packages and moment is the same bytes", async () => {
    const revision = { number: 7, createdAt: 1_700_000_000_500 };
    const packages = [draftOf(A)];

    const first = await assembleRepodata(packages, revision);

    expect(await assembleRepodata(packages, revision)).toEqual(first);
  });
});

describe("the next generation", () => {
  const one = { nevra: "one-1-1.noarch", sha256: A, fileName: "one-1-1.noarch.rpm" };
  const two = { nevra: "one-1-2.noarch", sha256: B, fileName: "one-1-2.noarch.rpm" };
  const base: Generation = {
    channel: "dev",
    number: 4,
    base: 3,
    builtFor: "p-1",
    createdAt: 1,
    targets: {
      "el9.x86_64": { since: 4, packages: [one] },
      "el9.x86_64-source": { since: 2, packages: [one] },
    },
  };
  const next = (additions: Map<string, (typeof one)[]>, on: Generation | undefined = base) =>
    nextGeneration({ channel: "dev", head: on?.number ?? 0, builtFor: "p-2", additions }, on, 9, 5);

  test("keeps what is listed, adds what is new, and changes no other target", () => {
    expect(next(new Map([["el9.x86_64", [two]]]))).toEqual({
      channel: "dev",
      number: 9,
      base: 4,
      builtFor: "p-2",
      createdAt: 5,
      targets: {
        "el9.x86_64": { since: 9, packages: [one, two] },
        "el9.x86_64-source": { since: 2, packages: [one] },
      },
    });
  });

  test("is none when everything is listed already", () => {
    expect(next(new Map([["el9.x86_64", [one]]]))).toBeUndefined();
  });

  test("of an empty channel holds what is added", () => {
    const made = nextGeneration(
      { channel: "dev", head: 0, builtFor: "p", additions: new Map([["el9.x86_64", [one]]]) },
      undefined,
      1,
      5,
    );

    expect(made?.targets).toEqual({ "el9.x86_64": { since: 1, packages: [one] } });
  });

  test("never lists one identity with two contents", () => {
    const changed = { ...one, sha256: B };

    expect(() => next(new Map([["el9.x86_64", [changed]]]))).toThrow("other content");
  });
});

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
