import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { yumLayout } from "../../src/yum/layout.ts";
import { makeRpm, makeRpms } from "../support/make-rpm.ts";
import type { TreePackage, TreeTarget } from "../support/segment-tree.ts";
import { startYumRig } from "../support/yum-rig.ts";
import type { YumRig } from "../support/yum-rig.ts";

const TARGET = "debian12.x86_64";
const IMMUTABLE = "public, max-age=31536000, immutable";
let rig: YumRig;
let hello: TreePackage;
let second: TreePackage;
let packagePath: string;

const tailOf = (...tail: readonly TreePackage[]): TreeTarget => ({ segments: [], tail });

beforeAll(async () => {
  rig = await startYumRig();
  const rpms = [...(await makeRpms({ name: "hello" })), await makeRpm({ name: "second" })];
  const [binary, source, other] = await rig.pool(rpms);
  if (!binary || !source || !other) throw new Error("rpmbuild made too little.");
  [hello, second] = [binary, other];
  packagePath = `p/${hello.listed.sha256}/${hello.listed.fileName}`;
  await rig.publish({ [TARGET]: tailOf(hello), [`${TARGET}-source`]: tailOf(source) });
  await rig.publish({ [TARGET]: tailOf(hello, second) });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
});

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${rig.url}/yum/${path}`, { headers });
}

/** fetch() would tidy the path up before it is sent, and add `no-cache` to conditional requests. */
async function getRaw(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; body: string }> {
  const { port } = new URL(rig.url);
  const sent = httpRequest({ host: "127.0.0.1", port, path, headers, agent: false });
  sent.end();
  const answer = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
  return { status: answer.statusCode, body: await text(answer) };
}

describe("the .repo file", () => {
  test("names the mirrorlist, both checks and the key by absolute addresses", async () => {
    const { url } = rig;

    const response = await get("dev.repo");

    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect((await response.text()).split("\n")).toEqual([
      "[tatara-dev]",
      `name=Tatara dev for ${TARGET}`,
      `mirrorlist=${url}/yum/dev/${TARGET}/mirrorlist`,
      "enabled=1",
      "gpgcheck=1",
      "repo_gpgcheck=1",
      `gpgkey=${url}/yum/keys/tatara.asc`,
      "metadata_expire=300",
      "",
    ]);
  });

  test("with several targets and none named lists what there is to choose from", async () => {
    const targets = [TARGET, "el9.x86_64", "el8.x86_64", "fedora-43.x86_64", "odd.noarch"];
    await rig.publish(Object.fromEntries(targets.map((each) => [each, tailOf(hello)])), "wide");

    const choice = await get("wide.repo");
    const chosen = await get("wide.repo?target=el9.x86_64");
    const wrong = await get("wide.repo?target=el7.x86_64");
    const lines = (await choice.text()).split("\n");

    expect(choice.status).toBe(300);
    expect(lines).toContain(`${rig.url}/yum/wide.repo?target=el9.x86_64`);
    expect(lines.filter((line) => line.includes("family"))).toEqual([
      `${rig.url}/yum/wide.repo?family=debian`,
      `${rig.url}/yum/wide.repo?family=el`,
      `${rig.url}/yum/wide.repo?family=fedora`,
    ]);
    expect(await chosen.text()).toContain("/yum/wide/el9.x86_64/mirrorlist\n");
    expect(wrong.status).toBe(404);
  });

  test("of a family fits all of a distribution's releases, RHEL's 9.4 included", async () => {
    const target = { "el9.x86_64": tailOf(hello), "fedora-43.x86_64": tailOf(hello) };
    await rig.publish(target, "family");
    const el = await (await get("family.repo?family=el")).text();
    const fedora = await (await get("family.repo?family=fedora")).text();
    const unknown = await get("family.repo?family=suse");
    const exact = await get("family/el9.x86_64/mirrorlist");
    const minor = await get("family/el9.4.x86_64/mirrorlist");
    const minorPackage = await get(`family/el9.4.x86_64/${packagePath}`);

    const lines = el.split("\n").filter((line) => line.startsWith("mirrorlist="));
    expect(lines).toEqual([`mirrorlist=${rig.url}/yum/family/el$releasever.$basearch/mirrorlist`]);
    expect(fedora).toContain("/yum/family/fedora-$releasever.$basearch/mirrorlist\n");
    expect(unknown.status).toBe(404);
    expect(await minor.text()).toBe(await exact.text());
    expect(minorPackage.status).toBe(200);
  });

  test("of a target with layers has a section for each", async () => {
    const layered = { segments: [[hello]], tail: [second], baseSegments: 1 };
    await rig.publish({ [TARGET]: layered }, "stable");

    const lines = (await (await get("stable.repo")).text()).split("\n");

    expect(lines.filter((line) => line.startsWith("["))).toEqual([
      "[tatara-stable]",
      "[tatara-stable-updates]",
    ]);
    expect(lines.filter((line) => line.startsWith("mirrorlist="))).toEqual([
      `mirrorlist=${rig.url}/yum/stable/${TARGET}-base/mirrorlist`,
      `mirrorlist=${rig.url}/yum/stable/${TARGET}-updates/mirrorlist`,
    ]);
    // With different ages, hosts would read new updates beside an old base.
    const ages = lines.filter((line) => line.startsWith("metadata_expire="));
    expect(ages).toEqual(["metadata_expire=3600", "metadata_expire=3600"]);
  });

  test("says what the channel's settings say about age", async () => {
    await rig.publish({ [TARGET]: tailOf(hello) }, "slow");
    const head = rig.heads.get("slow");
    if (head) rig.heads.set("slow", { ...head, metadataExpireSeconds: 7_200 });

    expect(await (await get("slow.repo")).text()).toContain("metadata_expire=7200\n");
  });

  test("guards by names and priority where that is asked for", async () => {
    await rig.publish({ [TARGET]: { segments: [[second]], tail: [hello] } }, "guarded");

    const all = await (await get("guarded.repo?includepkgs=1&priority=10")).text();
    const some = await (await get("guarded.repo?includepkgs=acme-*,hello")).text();
    const refused = [
      "priority=0",
      "priority=a",
      "includepkgs=",
      "includepkgs=a%0Ab",
      "includepkgs=a b",
    ];
    const statuses = refused.map(async (each) => (await get(`guarded.repo?${each}`)).status);

    expect(all).toContain("includepkgs=hello second\npriority=10\n");
    expect(some).toContain("includepkgs=acme-* hello\n");
    expect(await Promise.all(statuses)).toEqual(refused.map(() => 400));
  });

  test("of a channel that is not there says so", async () => {
    const response = await get("nightly.repo");

    expect(response.status).toBe(404);
    expect(await response.text()).toContain('"nightly"');
  });
});

describe("caching", () => {
  test("mirrorlist names one immutable generation and is never cached", async () => {
    const response = await get(`dev/${TARGET}/mirrorlist`);

    expect(response.headers.get("cache-control")).toBe("no-cache");
    expect(await response.text()).toBe(`${rig.url}/yum/dev/${TARGET}/g/2/\n`);
  });

  test("a target that a publish did not touch stays at its generation", async () => {
    const response = await get(`dev/${TARGET}-source/mirrorlist`);

    expect(await response.text()).toBe(`${rig.url}/yum/dev/${TARGET}-source/g/1/\n`);
  });

  test.each(["repomd.xml", "repomd.xml.asc"])("%s of a generation may be kept", async (file) => {
    const response = await get(`dev/${TARGET}/g/1/repodata/${file}`);
    const etag = response.headers.get("etag") ?? "";
    const path = `/yum/dev/${TARGET}/g/1/repodata/${file}`;
    const again = await getRaw(path, { "if-none-match": etag });

    expect(response.headers.get("cache-control")).toBe(IMMUTABLE);
    expect(etag).toMatch(/^"/);
    expect(again.status).toBe(304);
  });

  test("every generation has every package, with ranges and its digest as tag", async () => {
    const newest = await get(`dev/${TARGET}/g/2/${packagePath}`);
    const plain = await get(`dev/${TARGET}/${packagePath}`);
    const part = await get(`dev/${TARGET}/g/1/${packagePath}`, { range: "bytes=0-3" });
    const bytes = Buffer.from(await newest.arrayBuffer());
    const sha256 = createHash("sha256").update(bytes).digest("hex");

    expect(newest.headers.get("cache-control")).toBe(IMMUTABLE);
    expect(newest.headers.get("etag")).toBe(`"${sha256}"`);
    expect(packagePath).toContain(sha256);
    expect(Buffer.from(await plain.arrayBuffer()).equals(bytes)).toBe(true);
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).toString("hex")).toBe("edabeedb");
  });

  test("a 404 is not cached, whatever it is for", async () => {
    const missing = `p/${"0".repeat(64)}/hello-1.0-1.noarch.rpm`;

    for (const path of [`dev/${TARGET}/g/1/${missing}`, `dev/${TARGET}/g/9/repodata/repomd.xml`]) {
      const response = await get(path);

      expect(response.status).toBe(404);
      expect(response.headers.get("cache-control")).toBe("no-cache");
      expect(response.headers.get("etag") ?? "").not.toContain("0000");
    }
  });
});

describe("the plain baseurl", () => {
  test("a client gets the signature of the index that it was given, others the newest", async () => {
    const channel = "plain";
    await rig.publish({ [TARGET]: tailOf(hello) }, channel);
    const at = (file: string, agent: string) =>
      get(`${channel}/${TARGET}/${file}`, { "user-agent": agent });
    const index = await at("repodata/repomd.xml", "slow");
    await rig.publish({ [TARGET]: tailOf(hello, second) }, channel);
    // A generation that does not touch the target comes between.
    await rig.publish({ "el9.x86_64": tailOf(hello) }, channel);
    await rig.publish({ [TARGET]: tailOf(second) }, channel);

    const paired = await (await at("repodata/repomd.xml.asc", "slow")).text();
    const newest = await (await at("repodata/repomd.xml.asc", "quick")).text();

    expect(index.headers.get("cache-control")).toBe("no-cache");
    expect(paired).toBe(await (await at("g/1/repodata/repomd.xml.asc", "x")).text());
    expect(newest).toBe(await (await at("g/4/repodata/repomd.xml.asc", "x")).text());
    expect(await (await at("repodata/1-repomd.xml.asc", "x")).text()).toBe(paired);
    // The documents that the older index names are still there.
    const document = /repodata\/[0-9a-f]{64}-primary\.xml\.gz/.exec(await index.text())?.[0];
    expect((await at(document ?? "", "slow")).status).toBe(200);
  });
});

describe("a pinned generation", () => {
  test("has an address for every target, changed by it or not", async () => {
    const source = `${TARGET}-source`;
    const index = await get(`dev/${source}/g/2/repodata/repomd.xml`);
    const first = await get(`dev/${source}/g/1/repodata/repomd.xml`);
    const mirrorlist = await get(`dev/${TARGET}/g/1/mirrorlist`);

    expect(index.status).toBe(200);
    expect(await index.text()).toBe(await first.text());
    expect(await mirrorlist.text()).toBe(`${rig.url}/yum/dev/${TARGET}/g/1/\n`);
    expect((await get(`dev/el9.x86_64/g/1/mirrorlist`)).status).toBe(404);
  });

  test("keeps a layer that later generations left as it was", async () => {
    const layered = { segments: [[hello]], tail: [], baseSegments: 1 };
    const { states } = await rig.publish({ [TARGET]: layered }, "layers");
    const base = states[TARGET]?.views.base ?? undefined;
    if (base === undefined) throw new Error("There is no base.");
    await rig.publish({ [TARGET]: { ...layered, tail: [second], keep: { base } } }, "layers");
    const { fileName } = base.documents.primary;

    const current = await get(`layers/${TARGET}-base/mirrorlist`);
    const pinned = await get(`layers/${TARGET}-base/g/2/repodata/${fileName}`);

    expect(await current.text()).toBe(`${rig.url}/yum/layers/${TARGET}-base/g/1/\n`);
    expect(pinned.status).toBe(200);
  });

  test("written before there were segments is served from its whole files", async () => {
    const document = gzipSync("<metadata/>");
    const file = `${createHash("sha256").update(document).digest("hex")}-primary.xml.gz`;
    const folder = yumLayout(rig.yumDir).generation("old", 1);
    const repodata = join(folder, TARGET, "repodata");
    await mkdir(repodata, { recursive: true });
    await writeFile(join(repodata, "repomd.xml"), "<repomd/>");
    await writeFile(join(repodata, file), document);
    const targets = { [TARGET]: { since: 1, packages: [] } };
    await writeFile(join(folder, "generation.json"), JSON.stringify({ base: 0, targets }));
    rig.heads.set("old", { head: 2, targets: { [TARGET]: 1 } });

    const index = await get(`old/${TARGET}/g/1/repodata/repomd.xml`);
    const plain = await get(`old/${TARGET}/repodata/${file}`);

    expect(await index.text()).toBe("<repomd/>");
    expect(Buffer.from(await plain.arrayBuffer()).equals(document)).toBe(true);
  });

  test("that is gone is told apart by where to look", async () => {
    await rig.publish({ [TARGET]: tailOf(hello) }, "swept");
    await rig.publish({ [TARGET]: tailOf(second) }, "swept");
    await rm(yumLayout(rig.yumDir).generation("swept", 1), { recursive: true });

    const answer = await get(`swept/${TARGET}/g/1/repodata/repomd.xml`);

    expect(answer.status).toBe(404);
    expect(await answer.text()).toContain(`/yum/swept/${TARGET}/mirrorlist`);
  });
});

describe("a layer that the channel has no more", () => {
  test("is answered by the whole target, so that older .repo files lose nothing", async () => {
    const whole = await (await get(`dev/${TARGET}/mirrorlist`)).text();

    expect(await (await get(`dev/${TARGET}-updates/mirrorlist`)).text()).toBe(whole);
    expect(await (await get(`dev/${TARGET}-base/mirrorlist`)).text()).toBe(whole);
  });
});

describe("a package that is refused", () => {
  test("is gone at every address, and nobody keeps that answer", async () => {
    const { sha256, fileName } = second.listed;
    const paths = [
      `g/1/p/${sha256}/${fileName}`,
      `g/2/p/${sha256}/${fileName}`,
      `p/${sha256}/${fileName}`,
    ];
    rig.refused.add(sha256);

    for (const path of paths) {
      const answer = await get(`dev/${TARGET}/${path}`);
      expect(answer.status).toBe(410);
      expect(answer.headers.get("cache-control")).toBe("no-cache");
    }
    expect((await get(`dev/${TARGET}/${packagePath}`)).status).toBe(200);
    rig.refused.delete(sha256);
  });
});

describe("paths that nobody should ask for", () => {
  test.each([
    `/yum/dev/${TARGET}/g/1/repodata/..%2f..%2fgeneration.json`,
    `/yum/dev/${TARGET}/g/1/repodata/generation.json`,
    `/yum/dev/${TARGET}/g/1/../generation.json`,
    `/yum/dev/${TARGET}/g/1%2f..%2f2/repodata/repomd.xml`,
    `/yum/dev/${TARGET}/g/01/repodata/repomd.xml`,
    `/yum/dev/${TARGET}/repodata/99-repomd.xml.asc`,
    `/yum/..%2f..%2f/${TARGET}/mirrorlist`,
    `/yum/dev/..%2f..%2fstaging/g/1/repodata/repomd.xml`,
    `/yum/dev/${TARGET}/p/${"a".repeat(64)}/..%2f..%2f..%2fkeys%2ftatara.asc`,
    "/yum/keys/..%2f..%2fkeys%2fpubring.kbx",
    "/yum/keys/secret",
    "/yum/dev/constructor/mirrorlist",
    "/yum/__proto__.repo",
    `/yum/dev/${TARGET}/g/1/repodata/primary.ends`,
    `/yum/dev/${TARGET}/g/1/repodata/target.json`,
    `/yum/dev/__proto__/g/1/mirrorlist`,
    `/yum/dev/${TARGET}/g/1/repodata/${"a".repeat(64)}-..%2f..%2ftarget.json`,
    "/yum/%E0%A4%A.repo",
  ])("%s is not found", async (path) => {
    const { status, body } = await getRaw(path);

    expect([400, 404]).toContain(status);
    expect(body).not.toContain("builtFor");
  });

  test("a generation above the head is not served, though it is there", async () => {
    const { file } = await rig.stage({ [TARGET]: tailOf(second) });

    const response = await get(`dev/${TARGET}/g/${file.number}/repodata/repomd.xml`);

    expect(response.status).toBe(404);
  });
});
