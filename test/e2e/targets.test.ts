import { expect, test } from "vitest";
import { dnfClient } from "../support/dnf-client.ts";
import { startTatara } from "../support/start-tatara.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { tinyRepo } from "../support/sample-files.ts";

/** Both are the image that every machine here has: what they build for is what their macros say. */
const TARGETS = "debian12.x86_64=tatara/base; el9.x86_64=tatara/base";
const BUILD_MS = 240_000;

test("a build for two targets is verified for each, and what both made alike is kept once", async () => {
  await using tatara = await startTatara({ env: { TATARA_TARGETS: TARGETS } });
  const repo = await tatara.createRepo("acme/tiny", {
    ...tinyRepo(),
    // No `%{?dist}`: the source package and the one without an architecture have one name for all.
    ".tatara.yml": `${FOR_BOTH}package: { spec: tiny.spec, release: "7", for: [debian12, el9] }\n`,
  });
  await repo.push();
  const first = await tatara.until("acme/tiny#1", "passed", BUILD_MS);

  expect(first.jobs.map(({ target, steps }) => `${target} ${steps.at(-1)?.name}`)).toEqual([
    "debian12.x86_64 package",
    "el9.x86_64 package",
    "debian12.x86_64 verify",
    "el9.x86_64 verify",
  ]);
  expect(first.jobs.map(({ state }) => state)).toEqual(Array(4).fill("passed"));
  await expectInstalls(tatara, "debian12.x86_64", "tiny-1.0-7.noarch");
  await expectInstalls(tatara, "el9.x86_64", "tiny-1.0-7.noarch");
  expect(first.packages.map(({ nevra, listings }) => [nevra, inChannel("dev", listings)])).toEqual([
    ["tiny-1.0-7.noarch", ["debian12.x86_64", "el9.x86_64"]],
    ["tiny-1.0-7.src", ["debian12.x86_64-source", "el9.x86_64-source"]],
  ]);

  // Whichever job is the quicker one: the next build's twins are the same.
  await tatara.api(`/api/builds/${first.id}/rerun`, { method: "POST" });
  await tatara.until("acme/tiny#2", "passed", BUILD_MS);
});

test("build requirements and what a package needs may come from a channel that `repos` names", async () => {
  await using tatara = await startTatara();
  const tiny = await tatara.createRepo("acme/tiny", tinyRepo());
  await tiny.push();
  await tatara.until("acme/tiny#1", "passed");

  const files = tinyRepo({ name: "loud", build: "tiny | tr a-z A-Z > said" });
  const needs = "BuildRequires: tiny\nRequires: tiny\nSource0:";
  const spec = (files["tiny.spec"] ?? "").replace("Source0:", needs);
  const pipeline = (more: string) =>
    `package: { spec: tiny.spec, verify: loud, ${more} }\npublish: testing\n`;
  const loud = await tatara.createRepo("acme/loud", {
    ...files,
    "tiny.spec": spec,
    ".tatara.yml": pipeline("repos: [dev]"),
  });
  await loud.push();
  await tatara.until("acme/loud#1", "passed");
  expect(await tatara.log("acme/loud#1", "package")).toContain("the builder image lacks tiny");
  expect(await tatara.log("acme/loud#1", "verify")).toMatch(/tiny\s+noarch/);

  await loud.commit({ ".tatara.yml": pipeline('release: "9"') });
  await loud.push();
  const without = await tatara.until("acme/loud#2", "failed");
  expect(without.failure).toMatchObject({ code: "BUILD_REQUIRES_MISSING", step: "package" });
});

test("projects of one build go to their own channels, all at once", async () => {
  await using tatara = await startTatara();
  const project = (name: string, channel: string) =>
    `  ${name}:\n    path: ${name}\n    image: ./Dockerfile\n    test: sh ./tiny\n` +
    `    package: { spec: tiny.spec, verify: false }\n    publish: ${channel}\n`;
  const repo = await tatara.createRepo("acme/two", {
    ...inFolder("quiet", tinyRepo({ name: "quiet" })),
    ...inFolder("loud", tinyRepo({ name: "loud" })),
    ".tatara.yml": `projects:\n${project("quiet", "dev")}${project("loud", "testing")}`,
  });
  await repo.push();
  const { packages } = await tatara.until("acme/two#1", "passed");

  const channels = (name: string) =>
    packages
      .filter((each) => each.name === name && each.nevra.endsWith(".noarch"))
      .flatMap(({ listings }) => listings.map(({ channel }) => channel))
      .filter((channel) => !channel.startsWith("build-"));
  expect([channels("quiet"), channels("loud")]).toEqual([["dev"], ["testing"]]);
});

function inFolder(folder: string, files: Readonly<Record<string, string>>) {
  const { ".tatara.yml": _pipeline, ...others } = files;
  return Object.fromEntries(
    Object.entries(others).map(([path, text]) => [`${folder}/${path}`, text]),
  );
}

function inChannel(
  name: string,
  listings: readonly { readonly channel: string; readonly target: string }[],
): readonly string[] {
  return listings.flatMap(({ channel, target }) => (channel === name ? [target] : []));
}

const FOR_BOTH = "image: ./Dockerfile\ntest: sh ./tiny\npublish: dev\n";

async function expectInstalls(tatara: Tatara, target: string, nevra: string): Promise<void> {
  await using host = await dnfClient({ repoUrl: `${tatara.url}/yum/dev.repo?target=${target}` });
  expect(await host.list()).toEqual([nevra]);
  expect(await host.install("tiny")).toMatchObject({ code: 0 });
  expect((await host.run("tiny")).output).toBe("tiny\n");
}
