import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PooledPackageFacts, PublishedPackage } from "../../src/shared/package-messages.ts";
import { formatNevra } from "../../src/domain/nevra.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import { readTargetState } from "../../src/yum/target-state.ts";
import { makeRpm, makeRpms } from "../support/make-rpm.ts";
import type { MadeRpm } from "../support/make-rpm.ts";
import { listed, live } from "../support/publish-ends.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";

const X86 = "el9.x86_64";
const ARM = "el9.aarch64";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;

beforeAll(async () => {
  keys = await makeKeysDir();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
});

const wished = (...wishes: readonly Parameters<typeof makeRpm>[0][]) =>
  Promise.all(wishes.map(makeRpm));
const onTarget = (rpms: readonly MadeRpm[], target = X86) => ({
  packages: rpms.map((rpm) => ({ rpm, target })),
});

function pooled(published: PublishedPackage | undefined, target: string): PooledPackageFacts {
  if (published === undefined) throw new Error("It was not published.");
  const { nevra, signedSha256, fileName, sizeBytes } = published;
  return { nevra: formatNevra(nevra), sha256: signedSha256, fileName, sizeBytes, target };
}

async function updateinfo(rig: PublishRig, number: number, target = X86): Promise<string> {
  const layout = yumLayout(rig.yumDir);
  const { extras } = await readTargetState(layout, { channel: "dev", number, target });
  const found = extras.find(({ type }) => type === "updateinfo");
  if (found === undefined) return "";
  const bytes = await readFile(layout.extra(found.sha256));
  return gunzipSync(bytes).toString();
}

describe("a build", () => {
  test("without an architecture is listed in every one of its distribution, and stored once", async () => {
    await using rig = await startPublishRig(keys);
    const [any, x86, arm] = await wished(
      { name: "any" },
      { name: "x86", arch: "x86_64" },
      { name: "arm", arch: "aarch64" },
    );
    if (!any || !x86 || !arm) throw new Error("no RPMs");
    await rig.publish([], onTarget([arm], ARM));

    const end = live(await rig.publish([], onTarget([any, x86])));

    expect(end.packages.map(({ targets }) => targets)).toEqual([[X86, ARM], [X86]]);
    expect((await listed(rig, "dev", 2)).toSorted()).toEqual([
      `${ARM}/any-1.0-1.noarch`,
      `${ARM}/arm-1.0-1.aarch64`,
      `${X86}/any-1.0-1.noarch`,
      `${X86}/x86-1.0-1.x86_64`,
    ]);
    expect(await rig.files("pool")).toHaveLength(3);
  });

  test("gets every refusal of the server in one answer, and nothing of it is kept", async () => {
    await using rig = await startPublishRig(keys);
    const refusals = [
      { code: "VERSION_LOWER" as const, message: "a is lower than 2.0.", hint: "Raise it." },
      { code: "PROVIDES_FOREIGN" as const, message: "a provides bash.", hint: "Ask an admin." },
    ];
    rig.server.scripted.checkAnswers.push(() => ({ refusals }));

    const end = await rig.publish(await wished({ name: "a" }));

    expect(end).toMatchObject({
      kind: "failed",
      failure: {
        code: "VERSION_LOWER",
        excerpt: "a is lower than 2.0.\na provides bash.",
        hint: "Raise it.\nAsk an admin.",
      },
    });
    expect(await rig.files("pool").catch(() => [])).toEqual([]);
  });

  test("tells the server what it provides, obsoletes and conflicts with", async () => {
    await using rig = await startPublishRig(keys);
    let asked: unknown;
    rig.server.scripted.checkAnswers.push(({ packages }) => {
      asked = packages.map(({ provides, obsoletes, conflicts }) => ({
        provides,
        obsoletes,
        conflicts,
      }));
      return { warnings: ["Look at this."] };
    });
    const preamble = ["Provides: greeter = 1", "Obsoletes: old < 2", "Conflicts: other"];

    const end = live(await rig.publish(await wished({ name: "a", preamble })));

    expect(asked).toEqual([{ provides: ["greeter"], obsoletes: ["old"], conflicts: ["other"] }]);
    expect(end.warnings).toEqual(["Look at this."]);
  });

  test("whose requirements nobody can satisfy is refused, or warned about where the channel wants that", async () => {
    await using rig = await startPublishRig(keys);
    const rpms = await wished(
      { name: "lib", version: "1.0" },
      { name: "app", preamble: ["Requires: lib >= 2.0"] },
    );

    const refused = await rig.publish([], onTarget(rpms));
    const ignored = live(
      await rig.publish([], { ...onTarget(rpms), settings: { requires: "ignore" } }),
    );

    expect(refused).toMatchObject({
      kind: "failed",
      failure: {
        code: "REQUIRES_UNSATISFIED",
        title: expect.stringContaining("lib >= 2.0") as string,
      },
    });
    expect(ignored.warnings).toEqual([expect.stringContaining("lib >= 2.0") as string]);
  });

  test("with a file that another package has is refused, or warned about where the channel wants that", async () => {
    await using rig = await startPublishRig(keys);
    const both = (content: string) => ({
      install: [`printf ${content} > %{buildroot}/usr/share/shared`],
      files: ["/usr/share/shared"],
    });
    await rig.publish([], onTarget(await wished({ name: "one", ...both("one") })));
    const rpms = await wished({ name: "two", ...both("two") });

    const refused = await rig.publish([], onTarget(rpms));
    const fileConflicts = "ignore" as const;
    const ignored = live(await rig.publish([], { ...onTarget(rpms), settings: { fileConflicts } }));

    expect(refused).toMatchObject({
      kind: "failed",
      failure: {
        code: "FILE_CONFLICT",
        title: expect.stringContaining("/usr/share/shared") as string,
      },
    });
    expect(ignored.warnings).toEqual([expect.stringContaining("/usr/share/shared") as string]);
  });

  test("brings its advisories, once", async () => {
    await using rig = await startPublishRig(keys);
    const errata = "- id: ACME-1\n  title: Faster\n  severity: low\n";
    const message = "Fix it\n\nFixes-CVE: CVE-2026-1234\nSeverity: important\n";
    const first = await rig.publish([], {
      ...onTarget(await wished({ name: "a" })),
      errata,
      message,
    });
    const next = await wished({ name: "a", release: "2" });

    const second = live(await rig.publish([], { ...onTarget(next), errata }));

    expect(live(first).advisories.map(({ id }) => id)).toEqual(["ACME-1", "TATARA-acme-hello-1"]);
    expect(second.advisories).toEqual([]);
    const xml = await updateinfo(rig, 2);
    expect(xml).toContain("<id>ACME-1</id>");
    expect(xml).toContain("CVE-2026-1234");
    expect(xml).not.toContain('release="2"');
  });

  test("with an errata file that cannot be read is refused with the place", async () => {
    await using rig = await startPublishRig(keys);

    const end = await rig.publish(await wished({ name: "a" }), { errata: "- id: A\n  titel: x\n" });

    expect(end).toMatchObject({
      kind: "failed",
      failure: { code: "ERRATA_INVALID", file: ".tatara/errata.yaml", line: 2 },
    });
  });
});

describe("an edit", () => {
  test("lists in one channel what another has, and takes away, without a new file", async () => {
    await using rig = await startPublishRig(keys);
    const { packages } = live(
      await rig.publish([], onTarget(await wished({ name: "a" }, { name: "b" }))),
    );
    const before = await rig.files("pool");
    const add = [pooled(packages[0], X86)];
    const remove = [{ target: X86, nevra: "b-1.0-1.noarch" }];
    const none = { add: [], remove: [], advisories: [], extras: [], rewrite: false };

    const end = await rig.run((base) => ({
      ...base,
      kind: "edit",
      edits: [
        { ...none, channel: rig.server.channel("stable"), add },
        { ...none, channel: rig.server.channel("dev"), remove },
      ],
    }));

    expect(live(end).generations.map(({ channel, number }) => [channel, number])).toEqual([
      ["stable", 1],
      ["dev", 2],
    ]);
    expect(live(end).packages).toEqual([]);
    expect(await listed(rig, "stable", 1)).toEqual([`${X86}/a-1.0-1.noarch`]);
    expect(await listed(rig, "dev", 2)).toEqual([`${X86}/a-1.0-1.noarch`]);
    expect(await rig.files("pool")).toEqual(before);
  });

  test("that changes nothing is done without a generation", async () => {
    await using rig = await startPublishRig(keys);
    const { packages } = live(await rig.publish([], onTarget(await wished({ name: "a" }))));

    const end = await rig.run((base) => ({
      ...base,
      kind: "edit",
      edits: [
        {
          channel: rig.server.channel("dev"),
          add: [pooled(packages[0], X86)],
          remove: [],
          advisories: [],
          extras: [],
          rewrite: false,
        },
      ],
    }));

    expect(end).toEqual({ kind: "done", report: ["Nothing changed."] });
    expect(rig.server.heads.get("dev")?.head).toBe(1);
  });
});

test("undo brings an earlier generation's lists back under a new number", async () => {
  await using rig = await startPublishRig(keys);
  await rig.publish([], onTarget(await makeRpms({ name: "a" })));
  await rig.publish([], onTarget(await wished({ name: "a", release: "2" })));

  const end = await rig.run((base) => ({
    ...base,
    kind: "restore",
    channel: rig.server.channel("dev"),
    from: { channel: "dev", number: 1 },
  }));

  expect(live(end).generations).toMatchObject([{ channel: "dev", base: 2, number: 3 }]);
  expect(await listed(rig, "dev", 3)).toEqual(await listed(rig, "dev", 1));
});
