import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { importKey, openRing, retire, rotate } from "../../src/yum/keys/key-changes.ts";
import { readKeyStatus } from "../../src/yum/keys/key-status.ts";
import { withRingLock } from "../../src/yum/keys/key-store.ts";
import { createLogger } from "../../src/shared/logger.ts";
import { dearmour } from "../../workers/publish/openpgp.ts";
import { openSigner } from "../../workers/publish/sign.ts";
import type { Signer } from "../../workers/publish/sign.ts";
import { childrenNamed, makeKeyFile, makeKeyFolder } from "../support/key-folder.ts";
import type { KeyFolder } from "../support/key-folder.ts";
import { until } from "../support/until.ts";

const exec = promisify(execFile);
const never = new AbortController().signal;
const DAY_MS = 86_400_000;
const document = Buffer.from("<repomd/>\n");
let made: KeyFolder;
let folder: KeyFolder;
let signer: Signer;
let first: string;
let lines: string[];

beforeAll(async () => {
  made = await makeKeyFolder();
  await openRing(made.keys, never);
});
afterAll(async () => {
  await made[Symbol.asyncDispose]();
});
beforeEach(async () => {
  folder = await makeKeyFolder(made.keys.keysDir);
  signer = await open();
  first = signer.fingerprint;
});
afterEach(async () => {
  await signer.close();
  await folder[Symbol.asyncDispose]();
});

async function open(): Promise<Signer> {
  lines = [];
  const write = (line: string) => void lines.push(line);
  const { now } = folder.keys;
  const logger = createLogger({ process: "publish", level: "info", now, write });
  const verifierDir = join(folder.dataDir, "verifier");
  return await openSigner({ ...folder.keys, verifierDir, logger }, never);
}

/** The key that the signature names; both of our readers have accepted it. */
async function signs(): Promise<string> {
  const text = await signer.signMetadata(document);
  await signer.verify.detached(document, text, never);
  // The first hashed subpacket of what we write is the issuer's fingerprint.
  return dearmour(text).subarray(12, 32).toString("hex").toUpperCase();
}

async function status() {
  return await readKeyStatus(folder.keys.publicDir);
}

describe("a next key", () => {
  test("is served at once beside the old one, signs after the overlap, and no restart is needed", async () => {
    const ring = await rotate(folder.keys, 7 * DAY_MS, never);
    const { fingerprint: second = "", signsFrom = 0 } = ring.keys[1] ?? {};

    expect(await folder.servedKeys()).toEqual([first, second]);
    expect(await signs()).toBe(first);
    expect(await status()).toMatchObject({
      fingerprint: first,
      next: { fingerprint: second, signsFrom },
      keys: [{ role: "signing" }, { role: "next" }],
    });

    folder.clock.aheadMs = signsFrom - Date.now() - 60_000;
    expect(await signs()).toBe(first);

    folder.clock.aheadMs += 60_000;
    expect(await signs()).toBe(second);
    expect(signer.fingerprint).toBe(second);
    expect(await folder.served("fingerprint")).toBe(`${second}\n`);
    expect(await folder.servedKeys()).toEqual([first, second]);
    expect(await status()).toMatchObject({
      fingerprint: second,
      next: null,
      keys: [{ role: "previous" }, { role: "signing" }],
    });
  });

  test("can be told to sign at once, by the same word that made it", async () => {
    await rotate(folder.keys, 7 * DAY_MS, never);

    const ring = await rotate(folder.keys, 0, never);

    expect(ring.keys).toHaveLength(2);
    expect(await signs()).toBe(ring.keys[1]?.fingerprint);
  });

  test("leaves what the old one signed valid until the old one is retired", async () => {
    const old = await signer.signMetadata(document);
    await rotate(folder.keys, 0, never);

    await signer.verify.detached(document, old, never);
    await retire(folder.keys, first, never);

    await expect(signer.verify.detached(document, old, never)).rejects.toThrow("NO_PUBKEY");
    expect(await folder.servedKeys()).not.toContain(first);
    expect(await signs()).not.toBe(first);
  });

  test("takes over and is announced even if nothing is published", async () => {
    const ring = await rotate(folder.keys, DAY_MS, never);
    await signer.close();
    vi.useFakeTimers({ toFake: ["setInterval"] });
    try {
      signer = await open();
      folder.clock.aheadMs += DAY_MS;

      vi.advanceTimersByTime(60_000);

      await until(() => folder.served("fingerprint"), `${ring.keys[1]?.fingerprint}\n`);
    } finally {
      vi.useRealTimers();
    }
  });

  test("that is retired before its day never signs", async () => {
    const ring = await rotate(folder.keys, DAY_MS, never);

    await retire(folder.keys, ring.keys[1]?.fingerprint ?? "", never);
    folder.clock.aheadMs += 2 * DAY_MS;

    expect(await signs()).toBe(first);
    expect(await folder.servedKeys()).toEqual([first]);
  });

  test("whose secret part is lost stops nothing before its day, and is reported", async () => {
    await rotate(folder.keys, DAY_MS, never);
    await deleteSecret((await status())?.next?.fingerprint ?? "");

    expect(await signs()).toBe(first);
    expect(lines.join("")).toContain("A signing key cannot be used");
    expect((await status())?.warnings).toMatchObject([
      {
        code: "KEY_UNUSABLE",
        message: expect.stringMatching(/: from \d{4}-.* nothing can be publ/),
      },
    ]);

    folder.clock.aheadMs += DAY_MS;
    await expect(signs()).rejects.toMatchObject({ code: "SIGNING_FAILED" });
  });
});

async function deleteSecret(fingerprint: string): Promise<void> {
  const home = folder.keys.keysDir;
  const listing = ["--homedir", home, "--with-colons", "--with-keygrip", "-K", fingerprint];
  const { stdout } = await exec("gpg", listing);
  await exec("gpgconf", ["--homedir", home, "--kill", "all"]);
  const grip = /^grp:{9}([0-9A-F]{40}):/m.exec(stdout)?.[1];
  await rm(join(home, "private-keys-v1.d", `${grip}.key`));
}

test("the key that signs cannot be retired, nor one that nobody knows", async () => {
  await expect(retire(folder.keys, first, never)).rejects.toThrow("is the key that signs");
  await expect(retire(folder.keys, "12345678", never)).rejects.toThrow("No served key");
  await expect(retire(folder.keys, first.slice(-7), never)).rejects.toThrow("No served key");
  expect(await folder.servedKeys()).toEqual([first]);
});

test("who waits for the lock goes when told, and changes nothing", async () => {
  const abort = new AbortController();
  const held = Promise.withResolvers<void>();
  const holding = withRingLock(folder.keys.keysDir, () => held.promise, never);

  const waiting = rotate(folder.keys, DAY_MS, abort.signal);
  await until(async () => (await childrenNamed("flock")).length, 2);
  abort.abort(new Error("stop"));

  await expect(waiting).rejects.toThrow("stop");
  held.resolve();
  await holding;
  expect(await folder.servedKeys()).toEqual([first]);
});

test("two rotations at the same time make one next key", async () => {
  const [one, two] = await Promise.all([
    rotate(folder.keys, DAY_MS, never),
    rotate(folder.keys, DAY_MS, never),
  ]);

  expect(one.keys).toHaveLength(2);
  expect(two.keys.map((key) => key.fingerprint)).toEqual(one.keys.map((key) => key.fingerprint));
});

describe("an operator's key", () => {
  test("signs from the start in an installation that has none", async () => {
    await using fresh = await makeKeyFolder();
    const file = await makeKeyFile(folder.dataDir);

    await importKey(fresh.keys, { path: file.secret, afterMs: DAY_MS }, never);

    expect(await fresh.servedKeys()).toEqual([file.fingerprint]);
    expect(await fresh.served("fingerprint")).toBe(`${file.fingerprint}\n`);
    const { mode } = await stat(fresh.keys.keysDir);
    expect(mode & 0o777).toBe(0o700);
    expect((await stat(join(fresh.keys.keysDir, "rotation.json"))).mode & 0o777).toBe(0o600);
  });

  test("comes as the next key in one that has", async () => {
    const file = await makeKeyFile(folder.dataDir);

    await importKey(folder.keys, { path: file.secret, afterMs: DAY_MS }, never);

    expect(await folder.servedKeys()).toEqual([first, file.fingerprint]);
    expect(await signs()).toBe(first);
    folder.clock.aheadMs += DAY_MS;
    expect(await signs()).toBe(file.fingerprint);
  });

  test("does not push out a key that was there before there were rings", async () => {
    await rm(join(folder.keys.keysDir, "rotation.json"));
    const file = await makeKeyFile(folder.dataDir);

    await importKey(folder.keys, { path: file.secret, afterMs: DAY_MS }, never);

    expect(await folder.servedKeys()).toEqual([first, file.fingerprint]);
    expect(await signs()).toBe(first);
  });

  test("that is served already brings its new expiry", async () => {
    const wish = { expires: "seconds=864000" };
    const file = await makeKeyFile(folder.dataDir, wish);
    await importKey(folder.keys, { path: file.secret, afterMs: 0 }, never);
    expect((await status())?.warnings).toMatchObject([{ code: "KEY_EXPIRES", bound: 30 }]);
    const home = join(folder.dataDir, "operator");
    await mkdir(home, { mode: 0o700 });
    const gpg = (...args: string[]) =>
      exec("gpg", ["--homedir", home, "--batch", "--pinentry-mode", "loopback", ...args]);
    await gpg("--passphrase", "", "--import", file.secret);
    await gpg("--passphrase", "", "--quick-set-expire", file.fingerprint, "3y");
    const { stdout } = await gpg("--passphrase", "", "--armor", "--export-secret-keys");
    await exec("gpgconf", ["--homedir", home, "--kill", "all"]);
    const longer = join(folder.dataDir, "longer.asc");
    await writeFile(longer, stdout);

    await importKey(folder.keys, { path: longer, afterMs: DAY_MS }, never);

    expect((await status())?.warnings).toEqual([]);
    expect(await signs()).toBe(file.fingerprint);
  });

  test.each([
    ["with a passphrase", { passphrase: "secret" }, "has a passphrase"],
    ["that is not RSA", { algorithm: "ed25519" }, "it is not RSA"],
    ["that is too short", { algorithm: "rsa1024" }, "1024 bits"],
    ["that cannot sign", { usage: "cert" }, "not meant for signatures"],
    ["that has expired", { expires: "seconds=100", at: "20200101T000000" }, "it is expired"],
  ])("%s is refused, and nothing of it stays", async (_, wish, why) => {
    const file = await makeKeyFile(folder.dataDir, wish);
    const before = await readdir(folder.keys.keysDir, { recursive: true });

    const importing = importKey(folder.keys, { path: file.secret, afterMs: 0 }, never);

    await expect(importing).rejects.toThrow(why);
    expect(await readdir(folder.keys.keysDir, { recursive: true })).toEqual(before);
    expect(await folder.servedKeys()).toEqual([first]);
  });

  test("is refused without its secret part, and so is what is no key", async () => {
    const file = await makeKeyFile(folder.dataDir);
    const text = join(folder.dataDir, "text");
    await writeFile(text, "hello");
    const take = (path: string) => importKey(folder.keys, { path, afterMs: 0 }, never);

    await expect(take(file.public)).rejects.toThrow("has no secret key");
    await expect(take(text)).rejects.toThrow("cannot read a key");
    await expect(take(join(folder.dataDir, "nothing"))).rejects.toThrow("cannot read a key");
  });
});

describe("a key that expires", () => {
  const LIFE_DAYS = 100;
  let fingerprint: string;

  beforeEach(async () => {
    const seconds = `seconds=${LIFE_DAYS * 86_400}`;
    const file = await makeKeyFile(folder.dataDir, { expires: seconds });
    ({ fingerprint } = file);
    await importKey(folder.keys, { path: file.secret, afterMs: 0 }, never);
  });

  test("warns 90, 30 and 7 days ahead in status file and logger, and once for each", async () => {
    const seen: unknown[] = [];
    for (const daysLeft of [95, 89, 88, 29, 6]) {
      folder.clock.aheadMs = (LIFE_DAYS - daysLeft) * DAY_MS;
      await signer.close();
      const before = lines;
      signer = await open();
      lines.unshift(...before);
      await signs();
      seen.push((await status())?.warnings.map(({ bound }) => bound));
    }

    expect(seen).toEqual([[], [90], [90], [30], [7]]);
    const [warning] = (await status())?.warnings ?? [];
    expect(warning?.message).toMatch(/expires in [56] days, on .*: from then on nothing can be/);
    expect(warning?.hint).toContain("tatara key rotate");
    const logged = lines.filter((line) => line.includes("A signing key expires soon"));
    expect(logged).toHaveLength(4); // Each is a life of its own.
    expect(logged.at(-1)).toContain(fingerprint);
  });

  test("signs nothing once it has expired, says the way out, and signs again after it", async () => {
    await signs();
    folder.clock.aheadMs += (LIFE_DAYS + 1) * DAY_MS;

    const signing = signer.signMetadata(document);
    await expect(signing).rejects.toMatchObject({ code: "SIGNING_FAILED" });
    await expect(signing).rejects.toThrow(/expired on \d{4}-.*`tatara key rotate --now`/);
    const from = join(folder.dataDir, "x.rpm");
    await expect(signer.signPackage(from, `${from}.signed`, never)).rejects.toThrow("expired on");

    const ring = await rotate(folder.keys, 0, never);

    expect(await signs()).toBe(ring.keys.at(-1)?.fingerprint);
    expect((await status())?.warnings).toMatchObject([
      { code: "KEY_EXPIRED", fingerprint, hint: `tatara key retire ${fingerprint}` },
    ]);
  });

  test("does not let a next key jump in before its day", async () => {
    await rotate(folder.keys, 200 * DAY_MS, never);
    folder.clock.aheadMs += (LIFE_DAYS + 1) * DAY_MS;

    await expect(signs()).rejects.toThrow("lets the next key sign at once");
  });
});

describe("fails closed", () => {
  test("when the ring is damaged or gone", async () => {
    const path = join(folder.keys.keysDir, "rotation.json");
    await signs();
    const text = await readFile(path, "utf8");

    await writeFile(path, text.slice(0, 100));
    await expect(signs()).rejects.toThrow("is damaged");
    await rm(path);
    await expect(signs()).rejects.toMatchObject({ code: "SIGNING_FAILED" });
    const unusable = { code: "KEY_UNUSABLE", fingerprint: first };
    expect((await status())?.warnings).toMatchObject([unusable]);
    expect(await folder.servedKeys()).toEqual([first]);
    await writeFile(path, text);

    expect(await signs()).toBe(first);
    expect((await status())?.warnings).toEqual([]);
  });

  test("when the home has several keys and no ring says which one signs", async () => {
    await rotate(folder.keys, DAY_MS, never);
    await rm(join(folder.keys.keysDir, "rotation.json"));

    await expect(open()).rejects.toThrow("no rotation.json");
    const message = expect.stringContaining("the keys folder cannot be read");
    expect((await status())?.warnings).toMatchObject([{ code: "KEY_UNUSABLE", message }]);
  });

  test("and leaves no child", async () => {
    await rotate(folder.keys, 0, never);
    await signs();

    await signer.close();

    const names = ["gpgv", "rpmkeys", "prlimit", "setpriv", "flock", "gpg", "gpg-agent"];
    expect(await childrenNamed(...names)).toEqual([]);
  });
});
