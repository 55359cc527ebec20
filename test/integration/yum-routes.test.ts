import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeRpm, makeRpms } from "../support/make-rpm.ts";
import { makeKeysDir, startPublishRig } from "../support/publish-rig.ts";
import type { PublishRig } from "../support/publish-rig.ts";

const TARGET = "debian12.x86_64";
const IMMUTABLE = "public, max-age=31536000, immutable";
let keys: Awaited<ReturnType<typeof makeKeysDir>>;
let rig: PublishRig;
let packagePath: string;

beforeAll(async () => {
  keys = await makeKeysDir();
  rig = await startPublishRig(keys);
  const rpms = await makeRpms({ name: "hello" });
  const end = await rig.publish(rpms);
  const found = end?.kind === "live" ? end.request.packages[0] : undefined;
  packagePath = `p/${found?.signedSha256}/${found?.fileName}`;
  await rig.publish([await makeRpm({ name: "second" })]);
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await keys[Symbol.asyncDispose]();
});

function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${rig.server.url}/yum/${path}`, { headers });
}

/** fetch() would tidy the path up before it is sent, and add `no-cache` to conditional requests. */
async function getRaw(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number | undefined; body: string }> {
  const { port } = new URL(rig.server.url);
  const sent = httpRequest({ host: "127.0.0.1", port, path, headers, agent: false });
  sent.end();
  const answer = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
  return { status: answer.statusCode, body: await text(answer) };
}

describe("the .repo file", () => {
  test("names the mirrorlist, both checks and the key by absolute addresses", async () => {
    const { url } = rig.server;

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
    const rpm = await makeRpm({ name: "wide" });
    const packages = [TARGET, "el9.x86_64"].map((target) => ({ rpm, target }));
    await rig.publish([], { packages, channels: ["wide"] });

    const choice = await get("wide.repo");
    const chosen = await get("wide.repo?target=el9.x86_64");
    const wrong = await get("wide.repo?target=el7.x86_64");

    expect(choice.status).toBe(300);
    expect(await choice.text()).toContain("/yum/wide.repo?target=el9.x86_64\n");
    expect(await chosen.text()).toContain("/yum/wide/el9.x86_64/mirrorlist\n");
    expect(wrong.status).toBe(404);
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
    expect(await response.text()).toBe(`${rig.server.url}/yum/dev/${TARGET}/g/2/\n`);
  });

  test("a target that a publish did not touch stays at its generation", async () => {
    const response = await get(`dev/${TARGET}-source/mirrorlist`);

    expect(await response.text()).toBe(`${rig.server.url}/yum/dev/${TARGET}-source/g/1/\n`);
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
    await using own = await startPublishRig(keys);
    await own.publish([await makeRpm({ name: "one" })]);
    const at = (file: string, agent: string) =>
      fetch(`${own.server.url}/yum/dev/${TARGET}/${file}`, { headers: { "user-agent": agent } });
    const index = await at("repodata/repomd.xml", "slow");
    await own.publish([await makeRpm({ name: "two" })]);

    const paired = await (await at("repodata/repomd.xml.asc", "slow")).text();
    const newest = await (await at("repodata/repomd.xml.asc", "quick")).text();

    expect(index.headers.get("cache-control")).toBe("no-cache");
    expect(paired).toBe(await (await at("g/1/repodata/repomd.xml.asc", "x")).text());
    expect(newest).toBe(await (await at("g/2/repodata/repomd.xml.asc", "x")).text());
    expect(await (await at("repodata/1-repomd.xml.asc", "x")).text()).toBe(paired);
    // The documents that the older index names are still there.
    const document = /repodata\/[0-9a-f]{64}-primary\.xml\.gz/.exec(await index.text())?.[0];
    expect((await at(document ?? "", "slow")).status).toBe(200);
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
    "/yum/%E0%A4%A.repo",
  ])("%s is not found", async (path) => {
    const { status, body } = await getRaw(path);

    expect([400, 404]).toContain(status);
    expect(body).not.toContain("builtFor");
  });

  test("a generation above the head is not served, though it is there", async () => {
    const staged = join(rig.yumDir, "channels/dev/g/7", TARGET, "repodata/repomd.xml");
    await mkdir(dirname(staged), { recursive: true });
    await writeFile(staged, "staged");

    const response = await get(`dev/${TARGET}/g/7/repodata/repomd.xml`);

    expect(response.status).toBe(404);
  });
});
