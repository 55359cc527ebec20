import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceDurably } from "../shared/durable.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const CIPHER = "aes-256-gcm";

/** Seals values so that database and backups hold nothing that can be read without the key file. */
export interface SecretKey {
  readonly id: string;
  /** `context` says what the value is; it opens under the same one only. */
  seal(value: string, context: string): string;
  /** Throws when it was sealed with another key, for another context, or was altered. */
  open(sealed: string, context: string): string;
}

/** The key in `<data>/secret-key`, made at the first start. Throws when it cannot be one. */
export async function loadSecretKey(dataDir: string): Promise<SecretKey> {
  const path = join(dataDir, "secret-key");
  const known = await readKnown(path);
  if (known !== undefined) return secretKey(known);
  const bytes = randomBytes(KEY_BYTES);
  // On disk before the first secret is sealed with it; half a key would be refused at every start.
  await replaceDurably(path, `${bytes.toString("hex")}\n`, { mode: 0o600 });
  return secretKey(bytes);
}

async function readKnown(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, "utf8").catch((err: unknown) => {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT") throw err;
  });
  if (text === undefined) return undefined;
  if (!/^[0-9a-f]{64}\s*$/.test(text)) {
    // A new one would make every stored secret unreadable for ever.
    throw new Error(`${path} holds no key of 64 hex digits. Put the right file back.`);
  }
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new Error(`${path} can be read by others: chmod 600 it.`);
  return Buffer.from(text.trim(), "hex");
}

export function secretKey(bytes: Buffer): SecretKey {
  const id = createHash("sha256").update("key id ").update(bytes).digest("hex").slice(0, 12);
  return {
    id,
    seal: (value, context) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, bytes, nonce).setAAD(Buffer.from(context));
      const text = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
      return [nonce, text, cipher.getAuthTag()].map((part) => part.toString("base64url")).join(".");
    },
    open: (sealed, context) => {
      const [nonce, text, tag] = sealed.split(".").map((part) => Buffer.from(part, "base64url"));
      if (nonce?.length !== NONCE_BYTES || text === undefined || tag?.length !== 16) {
        throw new Error("A sealed secret is damaged.");
      }
      const cipher = createDecipheriv(CIPHER, bytes, nonce).setAAD(Buffer.from(context));
      cipher.setAuthTag(tag);
      return Buffer.concat([cipher.update(text), cipher.final()]).toString("utf8");
    },
  };
}
