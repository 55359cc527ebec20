import type { YumLayout } from "../../../src/yum/layout.ts";
import { readKeyStatus } from "../../../src/yum/keys/key-status.ts";

const KEY_ID_DIGITS = 16;

/** Of every key that hosts have from us, as signatures name them. */
export async function ourKeyIds(layout: YumLayout): Promise<ReadonlySet<string>> {
  const status = await readKeyStatus(layout.keys);
  const keys = status?.keys ?? [];
  return new Set(keys.map(({ fingerprint }) => fingerprint.slice(-KEY_ID_DIGITS).toLowerCase()));
}
