import { InfraFault } from "../../src/domain/faults.ts";
import { withGpgHome } from "../../src/yum/keys/gpg.ts";
import { readSecretKey } from "./openpgp.ts";
import type { SigningKey } from "./openpgp.ts";

/** Secret keys by fingerprint, and why others could not be read. */
export interface SecretKeys {
  readonly keys: ReadonlyMap<string, SigningKey>;
  readonly problems: readonly unknown[];
}

export async function readSecretKeys(
  keysDir: string,
  fingerprints: readonly string[],
  signal: AbortSignal,
): Promise<SecretKeys> {
  const keys = new Map<string, SigningKey>();
  const problems: unknown[] = [];
  await withGpgHome(
    keysDir,
    async (home) => {
      for (const fingerprint of fingerprints) {
        try {
          keys.set(fingerprint, parse(await home.exportSecret(fingerprint, "binary"), fingerprint));
        } catch (err) {
          signal.throwIfAborted();
          problems.push(err);
        }
      }
    },
    signal,
  );
  return { keys, problems };
}

function parse(secretKey: Buffer, fingerprint: string): SigningKey {
  try {
    const key = readSecretKey(secretKey);
    if (key.fingerprint === fingerprint) return key;
    throw new Error(`gpg gave ${key.fingerprint}, another key than the one that was asked for.`);
  } catch (cause) {
    const message = `The signing key ${fingerprint} cannot be used.`;
    throw new InfraFault("SIGNING_FAILED", message, { cause });
  } finally {
    secretKey.fill(0);
  }
}
