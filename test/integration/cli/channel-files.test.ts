import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { apiClient } from "../../../src/cli/api-client.ts";
import { makecache } from "../../../src/cli/doctor/dnf-makecache.ts";
import { checkPackages } from "../../../src/cli/doctor/packages.ts";
import { makeRpms } from "../../support/make-rpm.ts";
import { tataraAt } from "../../support/run-tatara.ts";
import { startYum } from "../../support/start-yum.ts";
import type { Yum } from "../../support/start-yum.ts";

const TARGET = "el9.x86_64";
let yum: Yum;
let folder: string;
let tatara: ReturnType<typeof tataraAt>;
/** With this the command line finds the server's own files. */
let here: { readonly env: { readonly TATARA_DATA_DIR: string } };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-cli-"));
  yum = await startYum();
  tatara = tataraAt(yum);
  // What the command line keeps for a moment goes here, and nothing else does.
  await mkdir(join(folder, "tmp"));
  vi.stubEnv("TMPDIR", join(folder, "tmp"));
  here = { env: { TATARA_DATA_DIR: yum.dataDir } };
  const packages = [];
  for (const name of ["hello", "world"]) {
    for (const { fileName, bytes } of await makeRpms({ name, randomBytes: 100_000 })) {
      const path = join(folder, fileName);
      await writeFile(path, bytes);
      packages.push({ path, target: TARGET });
    }
  }
  const { buildId } = await yum.builds.finish({ channel: "dev", packages });
  expect(await yum.builds.final(buildId)).toMatchObject({ state: "passed" });
}, 120_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await (yum as Yum | undefined)?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Paths below the folder, as they are in its listing, sorted. */
async function filesIn(place: string): Promise<readonly string[]> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => join(parentPath, name).slice(place.length + 1))
    .toSorted();
}

let channelCount = 0;

/** Lists what dev does. The server keeps small files in memory: of this one it has read none yet. */
async function freshChannel(): Promise<string> {
  channelCount += 1;
  const name = `fresh-${channelCount}`;
  expect(await tatara(["channel", "add", name, "--parent", "dev"])).toMatchObject({ code: 0 });
  return name;
}

/** One other byte in the middle of the first file whose path matches; answers how to mend it. */
async function damage(pattern: RegExp): Promise<() => Promise<void>> {
  const yumDir = join(yum.dataDir, "yum");
  const [path = ""] = (await filesIn(yumDir)).filter((one) => pattern.test(one));
  const whole = await readFile(join(yumDir, path));
  const at = Math.floor(whole.length / 2);
  const writeByte = async (byte: number): Promise<void> => {
    const file = await open(join(yumDir, path), "r+");
    await file.write(Uint8Array.of(byte), 0, 1, at);
    await file.close();
  };
  const byte = whole[at] ?? 0;
  await writeByte(byte === 65 ? 66 : 65);
  return () => writeByte(byte);
}

describe("export", () => {
  test("over HTTP and from the data folder it is the same folder, and dnf takes it", async () => {
    const remote = join(folder, "remote");
    const local = join(folder, "local");

    const fetched = await tatara(["channel", "export", "dev", "--to", remote]);
    const linked = await tatara(["channel", "export", "dev", "--to", local, "--json"], here);
    const again = await tatara(["channel", "export", "dev", "--to", remote, "--target", TARGET]);

    expect([fetched.code, linked.code, again.code]).toEqual([0, 0, 0]);
    expect(fetched.stdout).toContain(`  dev@1  ${TARGET}   2 packages   ${remote}/${TARGET}\n`);
    expect(JSON.parse(linked.stdout.split("\n")[0] ?? "")).toMatchObject({
      packages: 2,
      number: 1,
    });
    const names = await filesIn(remote);
    expect(names).toHaveLength(1 + 2 * (2 + 5));
    expect(await filesIn(local)).toEqual(names);
    for (const name of names) {
      const same = (await readFile(join(remote, name))).equals(await readFile(join(local, name)));
      expect({ name, same }).toEqual({ name, same: true });
    }
    const rpm = names.find((name) => name.endsWith("hello-1.0-1.noarch.rpm")) ?? "";
    expect((await stat(join(local, rpm))).nlink).toBe(2);
    const repo = [
      "[exported]",
      "name=exported",
      `baseurl=file://${remote}/${TARGET}/`,
      "enabled=1",
      "gpgcheck=1",
      "repo_gpgcheck=1",
      `gpgkey=file://${remote}/tatara.asc`,
    ];
    expect(await makecache(repo.join("\n"), AbortSignal.timeout(60_000))).toBe("ok");
  });

  test("a channel or target that there is not is status 3", async () => {
    const empty = await tatara(["channel", "export", "testing", "--to", folder]);
    const target = await tatara([
      "channel",
      "export",
      "dev",
      "--to",
      folder,
      "--target",
      "el8.x86_64",
    ]);

    expect([empty.code, target.code]).toEqual([3, 3]);
    expect(empty.stderr).toContain("testing has no packages yet.");
    expect(target.stderr).toContain(`--target ${TARGET} | ${TARGET}-source`);
  });

  test("a package whose bytes are not what was signed is not exported", async () => {
    const mend = await damage(/world-1.0-1.noarch.rpm$/);

    const { code, stderr } = await tatara([
      "channel",
      "export",
      "dev",
      "--to",
      join(folder, "bad"),
    ]);
    await mend();

    expect(code).toBe(5);
    expect(stderr).toMatch(/el9\.x86_64 was not exported: p\/[0-9a-f]{64}\/world-.*: sha256 is /);
    expect(await filesIn(join(folder, "bad"))).not.toContain(`${TARGET}/repodata/repomd.xml`);
  });
});

describe("verify", () => {
  test("what is as it was signed is ok, over HTTP and in the data folder", async () => {
    const remote = await tatara(["channel", "verify", "dev"]);
    const local = await tatara(["channel", "verify", "dev"], here);
    const forced = await tatara(["channel", "verify", "dev", "--remote", "--json=where"], here);

    expect([remote.code, local.code]).toEqual([0, 0]);
    expect(remote.stdout).toContain(`  ok    dev@1  ${TARGET}   2 packages, read over HTTP\n`);
    expect(local.stdout).toContain(
      `  ok    dev@1  ${TARGET}   2 packages, read in the data folder\n`,
    );
    expect(forced.stdout).toBe('{"where":"http"}\n{"where":"http"}\n');
  });

  test.each([
    ["a package", "hello-1.0-1.noarch.rpm", "hello-1.0-1.noarch"],
    ["metadata", "repodata/primary.ends", "primary"],
    ["the signature", "repodata/repomd.xml.asc", "repomd.xml.asc"],
  ])("one wrong byte in %s is found either way", async (_, ending, named) => {
    const channel = await freshChannel();
    const mend = await damage(new RegExp(`^(?:channels/${channel}|pool)/.*${ending}$`));

    const remote = await tatara(["channel", "verify", channel]);
    const local = await tatara(["channel", "verify", channel], here);
    await mend();

    for (const { code, stdout } of [remote, local]) {
      expect({ code, stdout }).toMatchObject({ code: 1 });
      expect(stdout).toMatch(new RegExp(`FAIL .*\\n {8}.*${named}.*\\n`));
    }
    await tatara(["channel", "remove", channel, "--yes"]);
  });

  test("zstd is read as well", async () => {
    await tatara(["channel", "add", "mine", "--parent", "dev", "compression=zstd"]);
    await tatara(["channel", "rewrite", "mine"]);

    const { code, stdout } = await tatara(["channel", "verify", "mine"]);
    const index = await fetch(`${yum.url}/yum/mine/${TARGET}/repodata/repomd.xml`);
    await tatara(["channel", "remove", "mine", "--yes"]);

    expect(await index.text()).toContain("primary.xml.zst");
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toContain("2 packages, read over HTTP");
  });
});

describe("doctor", () => {
  const look = async (dataDir: string) => {
    const signal = AbortSignal.timeout(60_000);
    const api = apiClient({ url: yum.url, token: yum.adminToken, signal });
    return await checkPackages(api, dataDir, signal);
  };

  test("real dnf reads each channel, and the key says how long it lasts", async () => {
    const checks = await look(yum.dataDir);

    expect(checks.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      "signing key ok",
      "channel ok",
    ]);
    expect(checks[0]?.evidence).toMatch(/^[0-9A-F]{40}, never expires$/);
    expect(checks[1]?.evidence).toMatch(/^dev, el9\.x86_64: dnf makecache in a clean root, /);
  });

  test("a channel that hosts would refuse is a failure, with what to do", async () => {
    const channel = await freshChannel();
    const mend = await damage(
      new RegExp(`^channels/${channel}/.*${TARGET}/repodata/repomd.xml.asc`),
    );

    const checks = await look(yum.dataDir);
    await mend();

    expect(checks.filter(({ verdict }) => verdict === "FAIL")).toMatchObject([
      { name: "channel", fix: `tatara channel verify ${channel} --target ${TARGET}` },
    ]);
    await tatara(["channel", "remove", channel, "--yes"]);
  });

  test("a key that expires soon is a warning, one that has expired a failure", async () => {
    const { fingerprint } = JSON.parse(
      await readFile(join(yum.dataDir, "yum", "keys", "status.json"), "utf8"),
    ) as { fingerprint: string };
    const verdictsFor = async (code: string, message: string) => {
      const dataDir = await mkdtemp(join(folder, "data-"));
      await writeStatus(dataDir, fingerprint, { code, message });
      return (await look(dataDir)).filter(({ name }) => name === "signing key");
    };

    expect(await verdictsFor("KEY_EXPIRES", "It expires in 5 days.")).toMatchObject([
      { verdict: "warn", evidence: "It expires in 5 days.", fix: "tatara key rotate" },
    ]);
    expect(await verdictsFor("KEY_EXPIRED", "It expired.")).toMatchObject([{ verdict: "FAIL" }]);
    expect(await verdictsFor("KEY_UNUSABLE", "It is gone.")).toMatchObject([{ verdict: "FAIL" }]);
  });
});

test("nothing is left behind in the folder for temporary files", async () => {
  await tatara(["channel", "verify", "dev"]);

  expect(await readdir(tmpdir())).toEqual([]);
});

async function writeStatus(
  dataDir: string,
  fingerprint: string,
  { code, message }: { readonly code: string; readonly message: string },
): Promise<void> {
  const keys = join(dataDir, "yum", "keys");
  await mkdir(keys, { recursive: true });
  const warning = { code, fingerprint, bound: 7, message, hint: "tatara key rotate" };
  const facts = { fingerprint, createdAt: 0, expiresAt: 1 };
  const status = { version: 1, ...facts, next: null, keys: [], warnings: [warning] };
  await writeFile(join(keys, "status.json"), JSON.stringify(status));
}
