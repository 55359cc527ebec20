import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openOutbound } from "../../src/shared/outbound.ts";
import { openBaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import type { BaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import { senseOf } from "../../src/domain/rpm-relation.ts";
import { makeRpmSet } from "../support/make-rpm-set.ts";

const exec = promisify(execFile);
const TARGET = "el9.x86_64";
const HOURS = 3_600_000;
const { get } = openOutbound({ internalHosts: [] });
let folder: string;
let primary: Buffer;
let filelists: Buffer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-base-"));
  const made = join(folder, "made");
  await mkdir(made);
  const rpms = await makeRpmSet([
    { name: "bash", version: "5.1", epoch: 1, preamble: ["Provides: /bin/sh, shell = 3-1"] },
    { name: "tool", files: ["/usr/bin/tool", "/opt/deep/file"] },
  ]);
  for (const { fileName, bytes } of rpms.values()) await writeFile(join(made, fileName), bytes);
  await exec("createrepo_c", ["--no-database", made]);
  primary = await documentOf(made, "primary");
  filelists = await documentOf(made, "filelists");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function documentOf(made: string, type: string): Promise<Buffer> {
  const names = await readdir(join(made, "repodata"));
  const name = names.find((each) => each.endsWith(`-${type}.xml.gz`)) ?? "";
  return gunzipSync(await readFile(join(made, "repodata", name)));
}

interface Oddity {
  readonly suffix?: string;
  readonly compress?: (bytes: Buffer) => Buffer | Promise<Buffer>;
  readonly checksum?: string;
  readonly href?: string;
  readonly primary?: Buffer;
  readonly repomd?: string;
}

/** A repository's folder, odd as it is wished. */
async function writeRepository(name: string, odd: Oddity = {}): Promise<string> {
  const { suffix = ".gz", compress = gzipSync } = odd;
  const root = join(folder, name);
  await mkdir(join(root, "repodata"), { recursive: true });
  const documents = { primary: odd.primary ?? primary, filelists };
  const lines: string[] = [];
  for (const [type, xml] of Object.entries(documents)) {
    const bytes = await compress(xml);
    const checksum = odd.checksum ?? createHash("sha256").update(bytes).digest("hex");
    const href = odd.href ?? `repodata/${type}.xml${suffix}`;
    await writeFile(join(root, "repodata", `${type}.xml${suffix}`), bytes);
    lines.push(
      `<data type="${type}"><checksum type="sha256">${checksum}</checksum><location href="${href}"/></data>`,
    );
  }
  const repomd = odd.repomd ?? `<?xml version="1.0"?><repomd>${lines.join("")}</repomd>`;
  await writeFile(join(root, "repodata", "repomd.xml"), repomd);
  return pathToFileURL(root).href;
}

async function xz(bytes: Buffer): Promise<Buffer> {
  const path = join(folder, "to-compress");
  await writeFile(path, bytes);
  await exec("xz", ["--force", path]);
  return await readFile(`${path}.xz`);
}

function reader(...urls: readonly string[]) {
  return openBaseRepositories({ declared: [{ target: TARGET, urls }], now: () => 0, get });
}

async function has(base: BaseRepositories | undefined, text: string): Promise<boolean> {
  const [name = "", sign = "", evr = ""] = text.split(" ");
  const relation = { name, flags: senseOf(sign) ?? 0, evr };
  return base !== undefined && (await base.providersOf(relation, 10)).length > 0;
}

const PROVIDED = ["bash", "bash >= 1:5", "shell < 4", "/bin/sh", "/usr/bin/tool", "/opt/deep/file"];
const NOT_PROVIDED = ["zsh", "bash < 1:5", "bash > 1:5.1", "shell > 3", "/usr/bin/none", ""];

describe("a base repository", () => {
  test.each([
    ["gzip", {}],
    ["two members of gzip", { compress: (bytes: Buffer) => inTwo(bytes, gzipSync) }],
    ["zstd", { suffix: ".zst", compress: zstdCompressSync }],
    ["two frames of zstd", { suffix: ".zst", compress: (b: Buffer) => inTwo(b, zstdCompressSync) }],
    ["xz", { suffix: ".xz", compress: xz }],
    ["nothing", { suffix: "", compress: (bytes: Buffer) => bytes }],
  ])("compressed with %s says what it provides", async (name, odd) => {
    await using repositories = closing(
      reader(await writeRepository(name.replaceAll(" ", "-"), odd)),
    );

    const { base, warnings } = await repositories.of(TARGET);

    expect(warnings).toEqual([]);
    for (const text of PROVIDED) expect([text, await has(base, text)]).toEqual([text, true]);
    for (const text of NOT_PROVIDED) expect([text, await has(base, text)]).toEqual([text, false]);
  });

  test.each([
    ["another checksum", { checksum: "0".repeat(64) }, /another checksum than repomd.xml says/],
    ["a place outside of it", { href: "https://elsewhere.example/p.xml.gz" }, /outside of it/],
    ["a path outside of it", { href: "../../etc/primary.xml.gz" }, /outside of it/],
    ["a strange compression", { href: "repodata/primary.xml.lzma" }, /does not read/],
    ["broken XML", { primary: Buffer.from("<metadata><package>") }, /unclosed tag/],
    ["broken text", { primary: Buffer.from([0x3c, 0x61, 0xff, 0xfe]) }, /utf-8/],
    ["a broken repomd.xml", { repomd: "not XML" }, /outside of root/],
    ["no primary", { repomd: "<repomd/>" }, /names no primary/],
    ["no gzip", { compress: (bytes: Buffer) => bytes }, /incorrect header check/],
    ["no xz", { suffix: ".xz", compress: (bytes: Buffer) => bytes }, /xz/],
  ])("with %s counts as not declared, and says why", async (name, odd, reason) => {
    await using repositories = closing(reader(await writeRepository(`odd ${name}`, odd)));

    const { base, warnings } = await repositories.of(TARGET);

    expect(base).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(reason)]);
    expect(warnings[0]).toContain("el9.x86_64 could not be used");
  });

  test("that does not answer is waited for only so long", async () => {
    const server = createServer(() => undefined).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const urls = [`http://127.0.0.1:${port}/`, `http://127.0.0.1:${port}/updates/`];
    const declared = [{ target: TARGET, urls }];
    await using repositories = closing(
      openBaseRepositories({ declared, now: () => 0, get, waitMs: 20 }),
    );

    const { base, warnings } = await repositories.of(TARGET);

    const isReading: unknown = expect.stringContaining("it is still being read.");
    expect(base).toBeUndefined();
    // The second is not waited for when all patience went into the first.
    expect(warnings).toEqual([isReading, isReading]);
    server.closeAllConnections();
    server.close();
  });

  test("that is gone, and a target without any", async () => {
    await using repositories = closing(reader(pathToFileURL(join(folder, "gone")).href));

    expect((await repositories.of(TARGET)).warnings).toEqual([expect.stringContaining("ENOENT")]);
    expect(await repositories.of("el8.x86_64")).toEqual({ base: undefined, warnings: [] });
  });
});

test("a repository over HTTP is read once, and looked at again after six hours", async () => {
  await writeRepository("served");
  await using web = await serve(join(folder, "served"));
  let now = 0;
  const declared = [{ target: TARGET, urls: [web.url] }];
  await using repositories = closing(openBaseRepositories({ declared, now: () => now, get }));

  await repositories.of(TARGET);
  now = 6 * HOURS - 1;
  await repositories.of(TARGET);
  expect(web.taken()).toEqual(["repomd.xml", "primary.xml.gz"]);

  now = 6 * HOURS;
  await repositories.of(TARGET);
  await repositories.settled();
  expect(web.taken()).toEqual(["repomd.xml"]);

  const without = Buffer.from(primary.toString().replaceAll('"bash"', '"fish"'));
  await writeRepository("served", { primary: without });
  now = 12 * HOURS;
  const { base: old } = await repositories.of(TARGET);
  await repositories.settled();
  const { base } = await repositories.of(TARGET);
  expect([await has(old, "bash"), await has(base, "bash"), await has(base, "fish")]).toEqual([
    true,
    false,
    true,
  ]);
  expect(web.taken()).toEqual(["repomd.xml", "primary.xml.gz"]);

  await has(base, "/opt/deep/file");
  await has(base, "/usr/bin/other");
  expect(web.taken()).toEqual(["filelists.xml.gz"]);
});

function inTwo(bytes: Buffer, compress: (bytes: Buffer) => Buffer): Buffer {
  const middle = bytes.length >> 1;
  return Buffer.concat([compress(bytes.subarray(0, middle)), compress(bytes.subarray(middle))]);
}

function closing(repositories: ReturnType<typeof openBaseRepositories>) {
  return { ...repositories, [Symbol.asyncDispose]: () => repositories.close() };
}

/** A web server that tells which files were taken since it was asked last. */
async function serve(root: string) {
  let taken: string[] = [];
  const server = createServer((request, response) => {
    const name = (request.url ?? "").replace(/^.*\//, "");
    taken.push(name);
    readFile(join(root, "repodata", name)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/os`,
    taken(): readonly string[] {
      const now = taken;
      taken = [];
      return now;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
