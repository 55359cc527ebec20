import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSigner } from "../../workers/publish/sign.ts";
import type { Signer } from "../../workers/publish/sign.ts";
import { openVerifierPool } from "../../workers/publish/verifier-pool.ts";
import { openVerifier } from "../../workers/publish/verify-signatures.ts";
import type { Verifier } from "../../workers/publish/verify-signatures.ts";
import {
  childrenNamed,
  childrenOf,
  inGpgHome,
  makeKeyFile,
  makeKeyFolder,
} from "../support/key-folder.ts";
import type { KeyFolder } from "../support/key-folder.ts";
import { makeRpm } from "../support/make-rpm.ts";
import { until } from "../support/until.ts";

const never = new AbortController().signal;
const PROGRAMS = ["prlimit", "setpriv", "rpmkeys", "gpgv"] as const;
let folder: string;
let keys: KeyFolder;
let signer: Signer;
let verifier: Verifier;
let unsigned: string;
let signed: string;
const document = Buffer.from("<repomd/>\n");
let signature: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tatara-verifier-"));
  keys = await makeKeyFolder();
  signer = await openSigner({ ...keys.keys, verifierDir: join(folder, "signer") }, never);
  const rpm = await makeRpm({ name: "hello" });
  unsigned = join(folder, "unsigned.rpm");
  signed = join(folder, "signed.rpm");
  await writeFile(unsigned, rpm.bytes);
  await signer.signPackage(unsigned, signed, never);
  signature = await signer.signMetadata(document);
  await signer.close();
  verifier = await openVerifier(join(folder, "verifier"), [await keys.served("tatara.asc")]);
});
afterAll(async () => {
  await verifier.close();
  await keys[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** The same file with one byte changed. */
async function altered(at: number): Promise<string> {
  const bytes = await readFile(signed);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  const path = join(folder, `altered-${at}.rpm`);
  await writeFile(path, bytes);
  return path;
}

/** However many there are, none waits any more. */
async function endAllThatWait(): Promise<void> {
  const end = async (): Promise<readonly number[]> => {
    const pids = await childrenNamed(...PROGRAMS);
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    return pids;
  };
  await until(end, []);
}

describe.each(["programs that wait", "programs that are started for it"])("with %s", (how) => {
  const prepare = async (): Promise<void> => {
    if (how === "programs that are started for it") await endAllThatWait();
  };

  test("what the key signed is accepted", async () => {
    await prepare();

    await verifier.packages([signed, signed], never);
    await verifier.detached(document, signature, never);
  });

  test("a document and a signature may be files", async () => {
    await prepare();
    const path = join(folder, "repomd.xml");
    await writeFile(path, document);
    await writeFile(`${path}.asc`, signature);

    await verifier.detached(path, `${path}.asc`, never);

    await writeFile(path, "other");
    await expect(verifier.detached(path, `${path}.asc`, never)).rejects.toThrow("gpg refuses");
  });

  test("one bad package among good ones is refused", async () => {
    await prepare();

    const bad = [unsigned, await altered(-20), await altered(400), await altered(4_600)];

    for (const path of bad) {
      const checking = verifier.packages([signed, path, signed], never);
      await expect(checking, path).rejects.toMatchObject({ code: "SIGNING_FAILED" });
    }
  });

  test("half a file, more than the file, and no RPM at all are refused", async () => {
    await prepare();
    const bytes = await readFile(signed);
    const variants = [bytes.subarray(0, 3_000), Buffer.concat([bytes, bytes]), Buffer.alloc(0)];

    for (const variant of variants) {
      const path = join(folder, "variant.rpm");
      await writeFile(path, variant);
      await expect(verifier.packages([path], never)).rejects.toThrow("rpm refuses");
    }
  });

  test("another document, half a signature and none are refused", async () => {
    await prepare();
    const half = signature.slice(0, signature.length / 2);

    for (const [bytes, text] of [
      [Buffer.from("other"), signature],
      [document, half],
      [document, ""],
    ] as const) {
      const checking = verifier.detached(bytes, text, never);
      await expect(checking, text).rejects.toMatchObject({ code: "SIGNING_FAILED" });
    }
  });

  test("what another key signed is refused", async () => {
    await prepare();
    const other = await inGpgHome(async (gpg, home) => {
      await gpg("--passphrase", "", "--quick-generate-key", "Other", "rsa2048", "sign", "never");
      const path = join(home, "document");
      await writeFile(path, document);
      await gpg("--armor", "--detach-sign", path);
      return await readFile(`${path}.asc`, "utf8");
    });

    await expect(verifier.detached(document, other, never)).rejects.toThrow("gpg refuses");
  });
});

test("a signature by a key that has expired since is refused, though gpgv's exit code is 0", async () => {
  const past = "20200101T000000";
  const key = await makeKeyFile(folder, { expires: "seconds=86400", at: past });
  const old = await inGpgHome(async (gpg, home) => {
    await gpg("--import", key.secret);
    const path = join(home, "document");
    await writeFile(path, document);
    await gpg("--faked-system-time", past, "--armor", "--detach-sign", path);
    return await readFile(`${path}.asc`, "utf8");
  });
  const other = await openVerifier(join(folder, "expired"), [await readFile(key.public, "utf8")]);

  await expect(other.detached(document, old, never)).rejects.toThrow("EXPKEYSIG");

  await other.close();
});

test("402 packages at once are checked, and the one that is bad among them is found", async () => {
  const bad = await altered(-20);
  const many = Array.from({ length: 402 }, () => signed);

  await verifier.packages(many, never);

  const checking = verifier.packages(many.with(333, bad), never);
  await expect(checking).rejects.toThrow(
    "rpm refuses a signature we made: altered--20.rpm: DIGESTS SIGNATURES NOT OK",
  );
});

test("a big package goes to rpm without passing through this process", async () => {
  const rpm = await makeRpm({ name: "big", randomBytes: 64 * 2 ** 20 });
  const from = join(folder, "big.rpm");
  const to = join(folder, "big-signed.rpm");
  await writeFile(from, rpm.bytes);
  const again = await openSigner({ ...keys.keys, verifierDir: join(folder, "again") }, never);
  await again.signPackage(from, to, never);
  await endAllThatWait();

  await again.verify.packages([to], never);

  const file = await open(to, "r+");
  await file.write(Buffer.from("x"), 0, 1, 40 * 2 ** 20);
  await file.close();
  await expect(again.verify.packages([to], never)).rejects.toThrow("DIGESTS");
  await again.close();
});

test("an abort ends a check that is under way", async () => {
  const abort = new AbortController();

  const checking = verifier.packages(
    Array.from({ length: 402 }, () => signed),
    abort.signal,
  );
  abort.abort(new Error("stop"));

  await expect(checking).rejects.toThrow("stop");
  await expect(verifier.detached(document, signature, abort.signal)).rejects.toThrow("stop");
});

describe("programs that wait", () => {
  test("run as nobody, and cannot gain rights", async () => {
    await using other = await openFor("rights");
    await until(async () => (await childrenNamed("rpmkeys")).length > 0, true);
    const [pid] = await childrenNamed("rpmkeys");

    const status = await readFile(`/proc/${pid}/status`, "utf8");

    expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(await other.verifier.packages([signed], never)).toBeUndefined();
  });

  test("are all gone once the verifier is closed, and so is its folder", async () => {
    await endAllThatWait();
    const path = join(folder, "closed");
    const other = await openVerifier(path, [await keys.served("tatara.asc")]);
    expect((await childrenNamed(...PROGRAMS)).length).toBeGreaterThan(0);

    await other.close();

    expect(await childrenNamed(...PROGRAMS)).toEqual([]);
    await expect(access(path)).rejects.toThrow("ENOENT");
    await expect(other.detached(document, signature, never)).rejects.toThrow();
  });

  test("end by themselves when their parent is killed", async () => {
    const script = [
      `import { openVerifier } from ${JSON.stringify(new URL("../../workers/publish/verify-signatures.ts", import.meta.url).href)};`,
      `await openVerifier(${JSON.stringify(join(folder, "orphans"))}, [${JSON.stringify(await keys.served("tatara.asc"))}]);`,
      `setInterval(() => undefined, 1000);`,
    ].join("\n");
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script]);
    const pid = parent.pid ?? 0;
    await until(async () => (await childrenOf(pid, PROGRAMS)).length, 8);
    const waiting = await childrenOf(pid, PROGRAMS);

    parent.kill("SIGKILL");
    await once(parent, "close");

    const alive = async (): Promise<readonly number[]> => {
      const found = await Promise.all(
        waiting.map(async (each) => ((await isRunning(each)) ? [each] : [])),
      );
      return found.flat();
    };
    await until(alive, [], { deadlineMs: 60_000 });
  });

  test("that never answer are ended after their time", async () => {
    const common = { cwd: folder, size: 1, timeoutMs: 100, inputs: 1 };
    const pool = openVerifierPool({ ...common, file: "sleep", args: ["1000"] });

    const answer = await pool.take(1)?.[0]?.ask([document], never);

    expect(answer).toMatchObject({ code: null, stdout: "" });
    await pool.close();
    expect(await childrenNamed("sleep")).toEqual([]);
  });

  test("that say too much give no answer", async () => {
    const common = { cwd: folder, size: 1, timeoutMs: 60_000, inputs: 1 };
    const pool = openVerifierPool({ ...common, file: "yes", args: [] });

    const answer = await pool.start().ask([document], never);

    expect(answer.code).toBeNull();
    await pool.close();
  });

  test("that cannot be started give no answer", async () => {
    const common = { cwd: folder, size: 1, timeoutMs: 60_000, inputs: 1 };
    const pool = openVerifierPool({ ...common, file: "no-such-program", args: [] });

    const answer = await pool.start().ask([document], never);

    expect(answer.code).not.toBe(0);
    await pool.close();
  });

  test("are replaced after they were used", async () => {
    const common = { cwd: folder, size: 2, timeoutMs: 60_000, inputs: 1 };
    const pool = openVerifierPool({ ...common, file: "cat", args: [] });

    const answers = (pool.take(2) ?? []).map((each) => each.ask([document], never));

    expect(pool.take(1)).toBeUndefined();
    expect(await Promise.all(answers)).toMatchObject([
      { code: 0, stdout: "<repomd/>\n" },
      { code: 0, stdout: "<repomd/>\n" },
    ]);
    await until(async () => (await childrenNamed("cat")).length, 2);
    expect(pool.take(2)).toHaveLength(2);
    await pool.close();
    expect(await childrenNamed("cat")).toEqual([]);
  });
});

async function openFor(name: string): Promise<{ readonly verifier: Verifier } & AsyncDisposable> {
  const other = await openVerifier(join(folder, name), [await keys.served("tatara.asc")]);
  return { verifier: other, [Symbol.asyncDispose]: () => other.close() };
}

async function isRunning(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text !== "" && !/\) Z /.test(text);
}
