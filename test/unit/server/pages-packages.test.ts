import { describe, expect, test } from "vitest";
import { fieldsOf, readChange } from "../../../src/server/pages/change-form.ts";
import { changeResultPage } from "../../../src/server/pages/change-result.ts";
import { changeSheet } from "../../../src/server/pages/change-sheet.ts";
import { packagePage, type PackageData } from "../../../src/server/pages/package.ts";
import type { JobView } from "../../../src/server/views.ts";
import type { ChangeRequest } from "../../../src/shared/channel-changes.ts";
import { aBuild, aGeneration, aJob, aPackage, aStep } from "../../support/memory-read-store.ts";
import { aContext, draw, NOW } from "../../support/page-context.ts";
import { aPlan, aResult, someDetails } from "../../support/sample-changes.ts";

const inDev = aPackage({ publishedAt: NOW });

function drawn(some: Partial<PackageData> = {}, context = aContext()): string {
  const data = {
    versions: [inDev],
    chosen: inDev,
    details: someDetails(),
    filesFrom: 0,
    build: undefined,
    keyFingerprint: "aa",
    ...some,
  };
  return draw(packagePage(data, context), context);
}

describe("a package's page", () => {
  test("says in which clean systems it was installed before it was published, or that it was not", () => {
    const target = "el9.x86_64";
    const step = aStep({ name: "verify", kind: "verify", state: "passed", startedAt: NOW });
    const made = { jobId: "job-1", fileName: inDev.fileName, sizeBytes: 1, sha256: "a", target };
    const madeBy = (some: Partial<JobView>) =>
      aBuild({
        repo: "acme/hello",
        number: 45,
        createdAt: NOW,
        jobs: [
          aJob({ queuedAt: NOW, id: "job-v", kind: "verify", target, steps: [step], ...some }),
        ],
        artifacts: [made],
      });

    const verified = drawn({ build: madeBy({ state: "passed" }) });
    const failed = drawn({ build: madeBy({ state: "failed" }) });
    const elsewhere = drawn({ build: madeBy({ state: "passed", target: "el10.x86_64" }) });
    const builtOnly = drawn({ build: madeBy({ state: "passed", kind: "build" }) });

    expect(verified).toMatch(
      /verified in clean <a href="\/repos\/acme\/hello\/45\/verify"><bdi>el9\.x86_64<\/bdi>/,
    );
    expect(verified).not.toContain("not verified");
    for (const page of [failed, elsewhere, builtOnly]) {
      expect(page).toContain("not verified");
      expect(page).not.toContain("verified in clean");
    }
  });

  test("downloads from where it is listed furthest along, and installs from there", () => {
    const chosen = aPackage({
      publishedAt: NOW,
      listings: [
        { channel: "dev", target: "el9.x86_64" },
        { channel: "stable", target: "el9.x86_64" },
        { channel: "acme.hello.main", target: "el9.x86_64" },
      ],
    });

    const document = drawn({ versions: [chosen], chosen });

    expect(document).toContain(
      `/yum/stable/el9.x86_64/p/${chosen.signedSha256}/${chosen.fileName}`,
    );
    expect(document).toContain("sudo dnf install hello-1.4.0-1.57.g3f2a9c1.debian12<");
    expect(document).toContain("tatara-stable.repo");
  });

  test("tells what is in the RPM, and pages its files", () => {
    const document = drawn();

    expect(document).toContain("Requires (3)");
    expect(document).toContain("Files (412)");
    expect(document).toContain("libhello.so</bdi> → <bdi>libhello.so.1</bdi>");
    expect(document).toContain("files-from=4#chosen");
    expect(document).toContain("systemctl try-restart hello");
    expect(document).toContain("10CC77B3");
  });

  test("says of a yanked version why, and offers no promotion of it", () => {
    const yanked = { at: NOW, reason: "eats files", refused: false };
    const chosen = { ...inDev, yanked, listings: [] };

    const document = drawn({ versions: [chosen], chosen });

    expect(document).toMatch(/<b>Yanked<\/b>.*<bdi>eats files<\/bdi>/s);
    expect(document).not.toContain("Promote…");
  });

  test("says so when the bytes are deleted", () => {
    expect(drawn({ details: undefined })).toContain("Its bytes are deleted");
  });

  test("offers whoever may only read nothing to do", () => {
    expect(drawn()).toContain('action="/change"');
    expect(drawn({}, aContext({ visitor: "reader" }))).not.toContain('action="/change"');
  });
});

const PROMOTE: ChangeRequest = {
  kind: "promote",
  packages: ["hello-1.0-1.x86_64", "libgreet"],
  build: null,
  all: false,
  from: "dev",
  to: "stable",
  force: false,
  note: "",
};

describe("the form of a change", () => {
  test.each<ChangeRequest>([
    PROMOTE,
    { ...PROMOTE, packages: [], all: true },
    { ...PROMOTE, packages: [], build: "acme/hello#45", from: null },
    { kind: "undo", channel: "dev", to: 411, note: "" },
    { kind: "undo", channel: "dev", to: null, note: "" },
    { kind: "yank", packages: ["a", "b"], channel: "dev", refuseDownloads: false, note: "" },
  ])("says the same again: %j", (request) => {
    const fields: Record<string, string[] | string> = {};
    for (const [name, values] of Map.groupBy(fieldsOf(request), ([name]) => name)) {
      const texts = values.map(([, value]) => value);
      fields[name] = texts.length === 1 ? (texts[0] ?? "") : texts;
    }

    expect(readChange(fields)).toEqual(request);
  });

  test("takes a choice of what to promote, and what people filled in", () => {
    const filled = { kind: "promote", to: "testing", note: "verified", force: "1" };

    expect(readChange({ ...filled, what: "build acme/hello#45" })).toMatchObject({
      build: "acme/hello#45",
      packages: [],
      note: "verified",
      force: true,
    });
    expect(readChange({ ...filled, what: "package hello" })).toMatchObject({
      build: null,
      packages: ["hello"],
    });
  });

  test.each([{}, { kind: "promote" }, { kind: "yank" }, { kind: "undo", channel: ["a", "b"] }])(
    "asks for nothing when it says too little: %j",
    (fields) => {
      expect(readChange(fields)).toBeUndefined();
    },
  );
});

describe("the sheet", () => {
  const sheet = (request: ChangeRequest, plan = aPlan()): string =>
    draw(changeSheet({ request, plan, notice: null, back: "/channels/dev" }));

  test("shows what hosts have and get, and asks for the name where there is one to type", () => {
    const document = sheet(PROMOTE);

    expect(document).toMatch(/1\.3\.2-1\.el9<.*1\.4\.0-1\.57\.g3f2a9c1\.el9</s);
    expect(document).toContain("1 source or debug package beside");
    expect(document).toContain('name="confirm"');
    expect(document).toContain('name="head" value="stable:31"');
    expect(sheet(PROMOTE, aPlan({ confirm: null }))).not.toContain('name="confirm"');
  });

  test("shows problems with hints, and asks whether to do it all the same", () => {
    const problem = {
      code: "REQUIRES_UNSATISFIED",
      message: "It needs a.",
      hint: "Promote a.",
    } as const;

    const document = sheet(PROMOTE, aPlan({ problems: [problem] }));

    expect(document).toContain("It needs a.");
    expect(document).toContain("Promote a.");
    expect(document).toContain('name="force"');
    expect(sheet(PROMOTE)).not.toContain('name="force"');
  });

  test("offers to refuse downloads only for a yank from every channel", () => {
    const yank = {
      kind: "yank",
      packages: ["a"],
      channel: null,
      refuseDownloads: false,
      note: "",
    } as const;

    expect(sheet({ ...yank, packages: ["a"] })).toContain('name="refuse"');
    expect(sheet({ ...yank, packages: ["a"], channel: "dev" })).not.toContain('name="refuse"');
  });

  test("has no form when all is as wished already", () => {
    const document = sheet(PROMOTE, aPlan({ add: [], confirm: null }));

    expect(document).toContain("Nothing would change.");
    expect(document).not.toContain('action="/change"');
  });
});

test("a change is undone from its answer only while nothing else changed the channel", () => {
  const generation = aGeneration({ number: 32, createdAt: NOW });
  const page = (head: number): string =>
    draw(
      changeResultPage(
        { result: aResult(), made: [{ channel: "stable", head, generation }] },
        aContext(),
      ),
    );

  expect(page(32)).toMatch(/generation 32<.*in 48ms.*>\s*Undo\s*</s);
  expect(page(33)).not.toMatch(/>\s*Undo\s*</);
  expect(page(33)).toContain("has changed since");
});
