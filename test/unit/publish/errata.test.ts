import { describe, expect, test } from "vitest";
import { UserFault } from "../../../src/domain/faults.ts";
import { listedAdvisory } from "../../../src/shared/package-messages.ts";
import { advisoriesOf } from "../../../workers/publish/errata/advisories-of.ts";
import type { ErrataFacts } from "../../../workers/publish/errata/advisories-of.ts";

const nevraOf = (name: string, arch = "x86_64") => ({
  nevra: { name, epoch: 0, version: "1.0", release: "2", arch },
});

function facts(some: Partial<ErrataFacts>): ErrataFacts {
  return {
    errata: null,
    message: "Fix it",
    build: { repo: "acme/hello", number: 12, url: "https://ci.example.com/acme/hello/12" },
    packages: [nevraOf("hello"), nevraOf("hello-libs"), nevraOf("hello", "src")],
    published: new Set(),
    now: 1_700_000_000_000,
    ...some,
  };
}

function fault(some: Partial<ErrataFacts>): UserFault {
  try {
    advisoriesOf(facts(some));
  } catch (err) {
    if (err instanceof UserFault) return err;
    throw err;
  }
  throw new Error("It was accepted.");
}

const FULL = `
- id: ACME-2026-0012
  type: security
  severity: important
  title: "hello: heap overflow"
  description: |
    Two lines
    of text.
  packages: [hello]
  cves: [CVE-2026-1234]
  references:
    - https://example.com/1
    - { type: bugzilla, id: 77, href: "https://bugs.example.com/77", title: A bug }
  reboot: true
`;

describe("the errata file", () => {
  test("becomes advisories about the binary packages that it names", () => {
    const { advisories, warnings } = advisoriesOf(facts({ errata: FULL }));

    expect(advisories.map((each) => listedAdvisory.parse(each))).toEqual([
      {
        id: "ACME-2026-0012",
        type: "security",
        severity: "Important",
        title: "hello: heap overflow",
        description: "Two lines\nof text.",
        issuedAt: 1_700_000_000_000,
        references: [
          {
            type: "cve",
            id: "CVE-2026-1234",
            href: "https://www.cve.org/CVERecord?id=CVE-2026-1234",
            title: "CVE-2026-1234",
          },
          {
            type: "other",
            id: "https://example.com/1",
            href: "https://example.com/1",
            title: "https://example.com/1",
          },
          { type: "bugzilla", id: "77", href: "https://bugs.example.com/77", title: "A bug" },
        ],
        rebootSuggested: true,
        nevras: ["hello-1.0-2.x86_64"],
      },
    ]);
    expect(warnings).toEqual([]);
  });

  test("without names it is about every binary package, and about this build only", () => {
    const errata = "- id: A-1\n  title: Faster\n";

    expect(advisoriesOf(facts({ errata })).advisories).toMatchObject([
      {
        type: "bugfix",
        severity: "None",
        nevras: ["hello-1.0-2.x86_64", "hello-libs-1.0-2.x86_64"],
      },
    ]);
    expect(advisoriesOf(facts({ errata, published: new Set(["A-1"]) })).advisories).toEqual([]);
  });

  test("with names that this build has not made warns, and lists nothing", () => {
    const errata = "- id: A-1\n  title: x\n  packages: [helo]\n";

    const { advisories, warnings } = advisoriesOf(facts({ errata }));

    expect(advisories).toEqual([]);
    expect(warnings).toEqual(["The advisory A-1 names helo, which this build has not made."]);
  });

  test.each([
    [
      "a misspelt key",
      "- id: A-1\n  title: x\n  serverity: low\n",
      "3:3",
      'unknown key "serverity"',
    ],
    ["an entry without an id", "- title: x\n", "1:3", "an entry needs an id"],
    ["an entry without a title", "- id: A-1\n", "1:3", "A-1 needs a title"],
    ["an id twice", "- {id: A, title: x}\n- {id: A, title: y}\n", "2:3", "the id A is there twice"],
    ["a map", "id: A-1\n", "1:1", "The file takes a list"],
    ["a severity of its own", "- id: A\n  title: x\n  severity: bad\n", "3:13", "severity takes"],
    ["no CVE", "- id: A\n  title: x\n  cves: [CVE-26-1]\n", "3:10", '"CVE-26-1" is no CVE'],
    ["no address", "- id: A\n  title: x\n  references: [foo]\n", "3:16", "a reference needs"],
    ["text for a switch", "- id: A\n  title: x\n  reboot: soon\n", "3:11", "reboot takes true"],
    ["broken YAML", "- id: [A\n", "1:7", ""],
  ])("with %s is refused with its place", (_, errata, place, message) => {
    const { code, message: text, file, line } = fault({ errata });

    expect(code).toBe("ERRATA_INVALID");
    expect(text).toContain(`.tatara/errata.yaml:${place} `);
    expect(text).toContain(message);
    expect({ file, line }).toEqual({ file: ".tatara/errata.yaml", line: Number(place[0]) });
  });
});

describe("a commit's trailers", () => {
  test("make one advisory, named after the build", () => {
    const message = [
      "hello: check the length",
      "",
      "It overflowed.",
      "",
      "Fixes-CVE: CVE-2026-1234, CVE-2026-1235",
      "fixes-cve: CVE-2026-1236",
      "Severity: critical",
    ].join("\n");

    expect(advisoriesOf(facts({ message })).advisories).toMatchObject([
      {
        id: "TATARA-acme-hello-12",
        type: "security",
        severity: "Critical",
        title: "hello: check the length",
        nevras: ["hello-1.0-2.x86_64", "hello-libs-1.0-2.x86_64"],
        references: [
          { id: "CVE-2026-1234" },
          { id: "CVE-2026-1235" },
          { id: "CVE-2026-1236" },
          { type: "self", href: "https://ci.example.com/acme/hello/12" },
        ],
      },
    ]);
  });

  test("without a CVE mean something else", () => {
    const message = "Add a severity\n\nSeverity: whatever\nAdvisory: none";

    expect(advisoriesOf(facts({ message })).advisories).toEqual([]);
  });

  test("that cannot be right are refused", () => {
    expect(fault({ message: "x\n\nFixes-CVE: 1234" }).message).toContain("Fixes-CVE: 1234");
    const message = "x\n\nFixes-CVE: CVE-2026-1234\nSeverity: huge";
    expect(fault({ message }).message).toContain("Severity: huge");
  });
});
