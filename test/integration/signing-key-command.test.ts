import { execFile } from "node:child_process";
import { chown, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSigner } from "../../workers/publish/sign.ts";
import { inGpgHome, makeKeyFile, makeKeyFolder } from "../support/key-folder.ts";
import type { KeyFolder } from "../support/key-folder.ts";

const exec = promisify(execFile);
const never = new AbortController().signal;
const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
let folder: KeyFolder;
let first: string;

beforeAll(async () => {
  folder = await makeKeyFolder();
  const signer = await openSigner(
    { ...folder.keys, verifierDir: join(folder.dataDir, "v") },
    never,
  );
  first = signer.fingerprint;
  await signer.close();
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

interface End {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `tatara key …`, as an operator types it on the publish host. */
async function key(...args: string[]): Promise<End> {
  return await keyIn(folder.dataDir, ...args);
}

async function keyIn(dataDir: string, ...args: string[]): Promise<End> {
  const options = { env: { ...process.env, TATARA_DATA_DIR: dataDir }, cwd: folder.dataDir };
  try {
    return { code: 0, ...(await exec(process.execPath, [MAIN, "key", ...args], options)) };
  } catch (err) {
    return err as End;
  }
}

test("show tells which key signs", async () => {
  const { code, stdout } = await key();

  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^signing +${first}\n.*never expires.*signs since`));
});

test("show says so when there is none", async () => {
  await using empty = await makeKeyFolder();

  const { code, stderr } = await keyIn(empty.dataDir, "show");

  expect(code).toBe(3);
  expect(stderr).toContain("tatara key import");
});

test("export gives what hosts get, and one key of it", async () => {
  expect(await key("export")).toMatchObject({ code: 0, stdout: await folder.served("tatara.asc") });
  expect(await key("export", first.slice(-16))).toMatchObject({ code: 0 });
  expect(await key("export", "0123456789ABCDEF")).toMatchObject({ code: 1 });
});

test("a backup can be read by nobody else, overwrites nothing, and brings the key back", async () => {
  expect(await key("export", "--secret")).toMatchObject({ code: 2, stdout: "" });
  expect(await key("export", "--secret", "--output", "backup.asc")).toMatchObject({ code: 0 });
  const backup = join(folder.dataDir, "backup.asc");
  await using other = await makeKeyFolder();

  const imported = await keyIn(other.dataDir, "import", backup);

  expect((await stat(backup)).mode & 0o777).toBe(0o600);
  expect(imported).toMatchObject({ code: 0 });
  expect(await other.served("fingerprint")).toBe(`${first}\n`);
  const again = await key("export", "--secret", "--output", "backup.asc");
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining("there already") });
  const secret = await inGpgHome(async (gpg) => {
    await gpg("--import", backup);
    return await gpg("--with-colons", "--list-secret-keys");
  });
  expect(secret).toContain(first);
});

test("rotate, --after, --now and retire replace a key step by step", async () => {
  const made = JSON.parse((await key("rotate", "--json")).stdout) as Facts;
  const second = made.next?.fingerprint ?? "";
  expect(made.fingerprint).toBe(first);
  expect((made.next?.signsFrom ?? 0) - Date.now()).toBeGreaterThan(6.9 * 86_400_000);
  expect(await folder.servedKeys()).toEqual([first, second]);

  const sooner = JSON.parse((await key("rotate", "--after", "36h", "--json")).stdout) as Facts;
  expect(sooner.next?.fingerprint).toBe(second);
  expect((sooner.next?.signsFrom ?? 0) - Date.now()).toBeLessThan(1.6 * 86_400_000);

  expect(await key("retire", first)).toMatchObject({ code: 1 });
  const now = await key("rotate", "--now");
  expect(now.stdout).toMatch(new RegExp(`^signing +${second}\n.*\nprevious +${first}\n`));

  await signedMetadata(first);
  const refused = await key("retire", first);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("dev/el9.x86_64");
  await signedMetadata(second);
  const retired = await key("retire", first.slice(-8));
  expect(retired).toMatchObject({ code: 0 });
  expect(retired.stdout).toMatch(new RegExp(`\nretired +${first} `));
  expect(await folder.servedKeys()).toEqual([second]);
});

interface Facts {
  readonly fingerprint: string;
  readonly next: { readonly fingerprint: string; readonly signsFrom: number } | null;
}

/** A further generation, with metadata that this key signed. */
async function signedMetadata(fingerprint: string): Promise<void> {
  const signature = await inGpgHome(async (gpg, home) => {
    await exec("gpg", [
      "--homedir",
      folder.keys.keysDir,
      "--batch",
      "--export-secret-keys",
      "-o",
      join(home, "secret"),
    ]);
    await exec("gpgconf", ["--homedir", folder.keys.keysDir, "--kill", "all"]);
    await gpg("--import", join(home, "secret"));
    const path = join(home, "repomd.xml");
    await writeFile(path, "<repomd/>");
    await gpg("--armor", "--local-user", fingerprint, "--detach-sign", path);
    return await readFile(`${path}.asc`);
  });
  generations += 1;
  const path = `yum/channels/dev/g/${generations}/el9.x86_64/repodata`;
  await mkdir(join(folder.dataDir, path), { recursive: true });
  await writeFile(join(folder.dataDir, path, "repomd.xml.asc"), signature);
}
let generations = 8;

test("what was typed wrongly changes nothing", async () => {
  const before = await readFile(join(folder.keys.keysDir, "rotation.json"), "utf8");
  const wrong = [["rotat"], ["rotate", "--after", "soon"], ["rotate", "--after", "1h", "--now"]];
  const more = [["import"], ["retire"], ["import", "a", "b"], ["rotate", "--after", "900d"]];

  for (const args of [...wrong, ...more]) {
    expect(await key(...args), args.join(" ")).toMatchObject({ code: 2 });
  }

  expect(await readFile(join(folder.keys.keysDir, "rotation.json"), "utf8")).toBe(before);
});

test("a key that cannot be used is refused with the reason and a way out", async () => {
  const file = await makeKeyFile(folder.dataDir, { passphrase: "secret" });

  const { code, stderr } = await key("import", file.secret);

  expect(code).toBe(1);
  expect(stderr).toContain("has a passphrase");
  expect(stderr).toContain("gpg --edit-key");
});

test("another user than the owner of the keys is turned away", async () => {
  await using other = await makeKeyFolder();
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(other.dataDir, 12_345, 12_345);

  const { code, stderr } = await keyIn(isRoot ? other.dataDir : "/", "rotate");

  expect(code).toBe(2);
  expect(stderr).toContain(`sudo -u '#${isRoot ? 12_345 : 0}' tatara key`);
});
