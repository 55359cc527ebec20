import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkDigests } from "../../../src/yum/rpm/check-digests.ts";
import { RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import {
  binary,
  headerBytes,
  int32,
  int64,
  PLAIN,
  rpmAround,
  rpmBytes,
  text,
  texts,
} from "../../support/rpm-bytes.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-digests-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** How it is refused, or nothing. */
async function check(bytes: Buffer): Promise<string | undefined> {
  const path = join(folder, "checked.rpm");
  await writeFile(path, bytes);
  return await checkDigests(path).then(
    () => undefined,
    (err: unknown) => (err instanceof RpmRefused ? `${err.code}: ${err.message}` : String(err)),
  );
}

const ZEROS = "0".repeat(64);
const LARGE = Buffer.alloc(3 * 2 ** 20, "payload");

test("an RPM as it was built is accepted, whatever its length", async () => {
  expect(await check(rpmBytes({ main: PLAIN }))).toBeUndefined();
  expect(await check(rpmBytes({ main: PLAIN, payload: LARGE }))).toBeUndefined();
  expect(await check(rpmBytes({ main: PLAIN, payload: Buffer.alloc(0) }))).toBeUndefined();
});

test("a digest in capital letters is the same digest", async () => {
  const bytes = rpmBytes({ main: PLAIN });
  const digest = /[0-9a-f]{64}/.exec(bytes.toString("latin1"))?.[0] ?? "";

  const loud = Buffer.from(
    bytes.toString("latin1").replace(digest, digest.toUpperCase()),
    "latin1",
  );

  expect(loud.equals(bytes)).toBe(false);
  expect(await check(loud)).toBeUndefined();
});

test.each([
  ["the header's SHA-256", [text(273, ZEROS)], "DIGEST_MISMATCH"],
  ["the header's SHA-1", [text(269, ZEROS.slice(24))], "DIGEST_MISMATCH"],
  ["the MD5 of all", [binary(1004, Buffer.alloc(16))], "DIGEST_MISMATCH"],
  ["the form of the SHA-256", [text(273, ZEROS.slice(1))], "MALFORMED"],
  ["the type of the SHA-256", [texts(273, [ZEROS])], "MALFORMED"],
  ["the form of the MD5", [binary(1004, Buffer.alloc(15))], "MALFORMED"],
  ["the size: too short", [int32(1000, [1])], "DIGEST_MISMATCH"],
  ["the size: too long", [int32(1000, [0xffffffff])], "TRUNCATED"],
])("a wrong digest is found: %s", async (_, signature, code) => {
  expect(await check(rpmBytes({ main: PLAIN, signature }))).toMatch(new RegExp(`^${code}: `));
});

test("a payload that is not the header's is found, though nothing else covers it", async () => {
  for (const tag of [5092, 5097]) {
    const bytes = rpmAround(headerBytes(63, [...PLAIN, texts(tag, [ZEROS])]), {});

    expect(await check(bytes)).toMatch(/^DIGEST_MISMATCH: .*payload/);
  }
});

test("the payload's digest must be in the form that rpm demands", async () => {
  const digest = createHash("sha256").update("payload").digest("hex");

  expect(await check(rpmBytes({ main: [...PLAIN, text(5092, digest)] }))).toMatch(/^MALFORMED: /);
  expect(await check(rpmBytes({ main: [...PLAIN, texts(5092, [digest, digest])] }))).toMatch(
    /^MALFORMED: /,
  );
  expect(await check(rpmBytes({ main: [...PLAIN, texts(5092, [digest])] }))).toBeUndefined();
});

test("what is appended or missing is found", async () => {
  const bytes = rpmBytes({ main: PLAIN, payload: LARGE });

  expect(await check(Buffer.concat([bytes, Buffer.from("x")]))).toMatch(/^DIGEST_MISMATCH/);
  expect(await check(bytes.subarray(0, -1))).toMatch(/^TRUNCATED/);
});

test("an RPM without a digest of its header, or of its payload, is refused", async () => {
  const header = headerBytes(63, PLAIN);
  const bare = (...tags: readonly number[]): Buffer => withoutTags(rpmAround(header, {}), tags);

  expect(await check(bare(269, 273, 1004))).toMatch(/^DIGEST_MISMATCH: .*no digest of its header/);
  expect(await check(bare(1004))).toMatch(/^DIGEST_MISMATCH: .*no digest of its payload/);
  expect(await check(bare(269, 273))).toBeUndefined();
  expect(await check(bare(269))).toBeUndefined();
});

test("sizes beyond 32 bits are compared too", async () => {
  const bytes = withoutTags(rpmBytes({ main: PLAIN, signature: [int64(270, [2 ** 33])] }), [1000]);

  expect(await check(bytes)).toMatch(/^TRUNCATED: .*8589934592/);
});

/** With entries of the signature header renamed to tags that mean nothing. */
function withoutTags(bytes: Buffer, tags: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  const entries = copy.readUInt32BE(104);
  for (let at = 128; at < 112 + entries * 16; at += 16) {
    if (tags.includes(copy.readUInt32BE(at))) copy.writeUInt32BE(30_000 + at, at);
  }
  return copy;
}
