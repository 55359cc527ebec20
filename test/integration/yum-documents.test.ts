import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, readlink, rm, truncate } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DOCUMENTS, yumLayout } from "../../src/yum/layout.ts";
import type { DocumentName } from "../../src/yum/layout.ts";
import { endsFile, memberFile } from "../../src/yum/target-state.ts";
import type { TargetState } from "../../src/yum/target-state.ts";
import type { TreePackage } from "../support/segment-tree.ts";
import { until } from "../support/until.ts";
import { startYumRig } from "../support/yum-rig.ts";
import type { YumRig } from "../support/yum-rig.ts";

const TARGET = "el9.x86_64";
/** Two members that are remembered and one that is streamed from the disk. */
const MEMBER_PACKAGES = [3, 40, 1];
const LARGE_BYTES = 2 * 2 ** 20;
let rig: YumRig;
let state: TargetState;
let agent: Agent;

beforeAll(async () => {
  rig = await startYumRig();
  agent = new Agent({ keepAlive: true });
  const large = aPackage("large", LARGE_BYTES);
  const segments = MEMBER_PACKAGES.map((count, index) =>
    index === 2 ? [large] : Array.from({ length: count }, (_none, n) => aPackage(`p${index}-${n}`)),
  );
  const tail = [aPackage("tail")];
  const made = await rig.publish({ [TARGET]: { segments, tail } });
  if (made.states[TARGET] === undefined) throw new Error("There is no state.");
  state = made.states[TARGET];
});
afterAll(async () => {
  agent.destroy();
  await rig[Symbol.asyncDispose]();
});

/** XML of which `bytes` cannot be compressed to less than three quarters. */
function aPackage(name: string, bytes = 300): TreePackage {
  const sha256 = createHash("sha256").update(name).digest("hex");
  const noise = randomBytes((bytes * 3) / 4).toString("base64");
  const xml = `<package pkgid="${sha256}"><name>${name}</name>${noise}</package>\n`;
  const listed = { nevra: `${name}-1-1.noarch`, fileName: `${name}-1-1.noarch.rpm` };
  return {
    listed: { ...listed, sha256, sizeBytes: 1 },
    xml: { primary: xml, filelists: xml, other: xml },
  };
}

/** As the format says: the head, the members, the end. */
async function concatenated(document: DocumentName): Promise<Buffer> {
  const layout = yumLayout(rig.yumDir);
  const ends = await readFile(
    join(layout.served("dev", 1, TARGET), "repodata", endsFile(document)),
  );
  const members = state.segments.map(({ id }) =>
    readFile(join(layout.segment(id), memberFile(document, "gzip"))),
  );
  const { headBytes } = state.views.full.documents[document];
  const parts = [ends.subarray(0, headBytes), ...(await Promise.all(members))];
  return Buffer.concat([...parts, ends.subarray(headBytes)]);
}

function pathOf(document: DocumentName): string {
  const { fileName } = state.views.full.documents[document];
  return `/yum/dev/${TARGET}/g/1/repodata/${fileName}`;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

async function ask(
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  const { port } = new URL(rig.url);
  const sent = httpRequest({ host: "127.0.0.1", port, path, headers, method, agent });
  sent.end();
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
  return { status: answer.statusCode, headers: answer.headers, body: await buffer(answer) };
}

/** Files below the data folder that this process has open. */
async function openFiles(): Promise<readonly string[]> {
  const names = await readdir("/proc/self/fd");
  const paths = names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ""));
  return (await Promise.all(paths)).filter((path) => path.startsWith(rig.yumDir));
}

describe("a document made of segments", () => {
  test.each(DOCUMENTS)("%s is the bytes that its name and the index say", async (document) => {
    const { sha256, sizeBytes } = state.views.full.documents[document];

    const { status, headers, body } = await ask(pathOf(document));

    expect(status).toBe(200);
    expect(headers["content-length"]).toBe(String(sizeBytes));
    expect(headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(headers["content-type"]).toBe("application/gzip");
    expect(headers["content-encoding"]).toBeUndefined();
    expect(createHash("sha256").update(body).digest("hex")).toBe(sha256);
    expect(body.equals(await concatenated(document))).toBe(true);
    expect(
      gunzipSync(body)
        .toString()
        .match(/<package /g),
    ).toHaveLength(MEMBER_PACKAGES.reduce((sum, each) => sum + each, 1));
  });

  test("in zstd is a frame for each part", async () => {
    const segments = [[aPackage("a")], [aPackage("b")]];
    const wish = { segments, tail: [aPackage("c")], compression: "zstd" } as const;
    const { states } = await rig.publish({ [TARGET]: wish }, "frames");
    const made = states[TARGET];
    const { fileName, headBytes = 0 } = made?.views.full.documents.primary ?? {};
    const sizes = made?.segments.map(({ members }) => members.primary.bytes) ?? [];
    const starts = sizes.reduce((all, size) => [...all, (all.at(-1) ?? 0) + size], [headBytes]);

    const { headers, body } = await ask(`/yum/frames/${TARGET}/repodata/${fileName}`);
    // Node's decompressor reads one frame and no further, unlike every client.
    const frames = starts.map((start) => zstdDecompressSync(body.subarray(start)).toString());

    expect(fileName).toMatch(/-primary\.xml\.zst$/);
    expect(headers["content-type"]).toBe("application/zstd");
    expect(frames.map((text) => /<name>\w/.exec(text)?.[0])).toEqual([
      "<name>a",
      "<name>b",
      "<name>c",
    ]);
  });

  test("any range of it is the same range of the whole", async () => {
    const whole = await concatenated("primary");
    const path = pathOf("primary");
    const offset = fc.integer({ min: 0, max: whole.length + 10 });

    await fc.assert(
      fc.asyncProperty(offset, fc.option(offset), async (from, to) => {
        const { status, headers, body } = await ask(path, { range: `bytes=${from}-${to ?? ""}` });
        const last = Math.min(to ?? whole.length, whole.length - 1);
        // RFC 9110 calls a range that ends before it begins invalid, so that either answer is right.
        if (to !== null && to < from) {
          expect([200, 416]).toContain(status);
          return;
        }
        if (from >= whole.length) {
          expect(status).toBe(416);
          expect(headers["content-range"]).toBe(`bytes */${whole.length}`);
          return;
        }
        expect(status).toBe(206);
        expect(headers["content-range"]).toBe(`bytes ${from}-${last}/${whole.length}`);
        expect(body.equals(whole.subarray(from, last + 1))).toBe(true);
      }),
      { seed: 20_261_121, numRuns: 150 },
    );
  });

  test("ranges at every seam between its parts are right to the byte", async () => {
    const whole = await concatenated("other");
    const { headBytes } = state.views.full.documents.other;
    const sizes = state.segments.map(({ members }) => members.other.bytes);
    const seams = sizes.reduce((all, size) => [...all, (all.at(-1) ?? 0) + size], [headBytes]);

    for (const seam of seams) {
      for (const [from, to] of [
        [seam - 1, seam],
        [seam, seam],
        [seam - 1, seam - 1],
      ] as const) {
        const { body } = await ask(pathOf("other"), { range: `bytes=${from}-${to}` });
        expect(body.equals(whole.subarray(from, to + 1))).toBe(true);
      }
    }
  });

  test("its last bytes can be asked for; several ranges and other units give the whole", async () => {
    const whole = await concatenated("primary");
    const suffix = await ask(pathOf("primary"), { range: "bytes=-100" });
    const statuses = ["bytes=0-1,5-6", "lines=1-2", "bytes=x"].map(async (range) => {
      const { status, body } = await ask(pathOf("primary"), { range });
      return [status, body.length];
    });

    expect(suffix.status).toBe(206);
    expect(suffix.body.equals(whole.subarray(-100))).toBe(true);
    expect(await Promise.all(statuses)).toEqual([
      [200, whole.length],
      [200, whole.length],
      [200, whole.length],
    ]);
  });

  test("is tagged: 304 to those who have it, and a range only of the same bytes", async () => {
    const path = pathOf("filelists");
    const etag = (await ask(path)).headers.etag ?? "";
    const range = "bytes=0-9";

    expect(etag).toMatch(/^"[0-9a-f]{64}/);
    expect(await ask(path, { "if-none-match": `"x", ${etag}` })).toMatchObject({ status: 304 });
    expect(await ask(path, { "if-none-match": `W/${etag}`, range })).toMatchObject({ status: 304 });
    expect(await ask(path, { "if-none-match": '"x"' })).toMatchObject({ status: 200 });
    expect(await ask(path, { range, "if-range": etag })).toMatchObject({ status: 206 });
    expect(await ask(path, { range, "if-range": '"x"' })).toMatchObject({ status: 200 });
    const date = "Sat, 21 Nov 2026 00:00:00 GMT";
    expect(await ask(path, { range, "if-range": date })).toMatchObject({ status: 200 });
  });

  test("HEAD tells all but the bytes", async () => {
    const { sizeBytes } = state.views.full.documents.primary;

    const { status, headers, body } = await ask(pathOf("primary"), {}, "HEAD");

    expect(status).toBe(200);
    expect(headers["content-length"]).toBe(String(sizeBytes));
    expect(body).toHaveLength(0);
  });
});

describe("an extra", () => {
  test("is served by the name in the target's state, at both addresses", async () => {
    const extras = [{ type: "updateinfo", text: "<updates/>" }];
    const target = { segments: [], tail: [aPackage("one")], extras };
    const { states } = await rig.publish({ [TARGET]: target }, "extras");
    const file = states[TARGET]?.extras[0]?.fileName ?? "";

    for (const at of [`g/1/repodata/${file}`, `repodata/${file}`]) {
      const { status, body } = await ask(`/yum/extras/${TARGET}/${at}`);
      expect(status).toBe(200);
      expect(gunzipSync(body).toString()).toBe("<updates/>");
    }
    expect(await ask(`/yum/dev/${TARGET}/g/1/repodata/${file}`)).toMatchObject({ status: 404 });
  });
});

describe("files", () => {
  test("are closed when clients go away in the middle, and nothing else fails", async () => {
    const { port } = new URL(rig.url);
    for (let round = 0; round < 40; round += 1) {
      const sent = httpRequest({ host: "127.0.0.1", port, path: pathOf("primary"), agent: false });
      sent.once("error", () => undefined);
      sent.end();
      const answer = await new Promise<IncomingMessage>((resolve) => {
        sent.once("response", resolve);
      });
      await new Promise((resolve) => {
        answer.once("data", resolve);
      });
      sent.destroy();
    }

    await until(async () => (await openFiles()).length, 0);
    expect(await ask(pathOf("primary"))).toMatchObject({ status: 200 });
  });

  test("are open one at a time for each answer, and only while it is sent", async () => {
    const { port } = new URL(rig.url);
    const sent = httpRequest({ host: "127.0.0.1", port, path: pathOf("primary"), agent: false });
    sent.end();
    // Nobody reads, so that the answer stays where the sockets' buffers are full.
    const answer = await new Promise<IncomingMessage>((resolve) => {
      sent.once("response", resolve);
    });
    const during = await openFiles();
    const body = await buffer(answer);

    expect(during.length).toBeLessThanOrEqual(1);
    expect(body.equals(await concatenated("primary"))).toBe(true);
    await until(async () => (await openFiles()).length, 0);
  });

  test("that were swept are not found, and one that is cut off ends the connection", async () => {
    const segments = [[aPackage("cut", LARGE_BYTES)], [aPackage("gone")]];
    const { states } = await rig.publish({ [TARGET]: { segments, tail: [] } }, "broken");
    const own = states[TARGET];
    const { fileName } = own?.views.full.documents.primary ?? {};
    const path = `/yum/broken/${TARGET}/repodata/${fileName}`;
    const layout = yumLayout(rig.yumDir);
    const member = join(layout.segment(own?.segments[0]?.id ?? ""), memberFile("primary", "gzip"));
    await truncate(member, LARGE_BYTES / 2);

    await expect(ask(path)).rejects.toThrow();
    await rm(member);
    const missing = await ask(path, { range: `bytes=${LARGE_BYTES / 2}-` });

    expect(missing.status).toBe(404);
    expect(missing.headers.etag).toBeUndefined();
    expect(await openFiles()).toEqual([]);
  });
});
