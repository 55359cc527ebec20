import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);
const GPGV_TIMEOUT_MS = 30_000;

/** Checks detached signatures by the armoured keys; throws with gpgv's own words if one is bad. */
export function signatureChecker(armouredKeys: string, signal: AbortSignal) {
  return async (path: string, signaturePath: string): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), "tatara-gpgv-"));
    try {
      const keyring = join(folder, "keys.gpg");
      await writeFile(keyring, dearmoured(armouredKeys));
      const limits = {
        timeout: GPGV_TIMEOUT_MS,
        signal,
        env: { HOME: folder, LC_ALL: "C.UTF-8", PATH },
      };
      await exec("gpgv", ["--keyring", keyring, signaturePath, path], limits);
    } catch (err) {
      signal.throwIfAborted();
      const { stderr, message, code } = err as { stderr?: string; message: string; code?: unknown };
      if (code === "ENOENT") throw new Error("gpgv is not installed.", { cause: err });
      const said = stderr?.trim().split("\n").at(-1) ?? message;
      throw new Error(said.replace(/^gpgv: /, ""), { cause: err });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** The packets of all blocks, which is what a keyring is; without the checksum lines (RFC 9580, 6.1). */
function dearmoured(text: string): Buffer {
  const blocks = text.matchAll(
    /-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[^\n]+: [^\n]*\n)*\n([^]*?)-----END/g,
  );
  const packets = [...blocks].map(([, body = ""]) => {
    return Buffer.from(body.replace(/^=.*$/m, ""), "base64");
  });
  return Buffer.concat(packets);
}
