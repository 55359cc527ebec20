import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceDurably } from "../shared/durable.ts";

/** The token that opens everything: from the settings, or made at first start and kept at 0600. */
export async function loadAdminToken(
  dataDir: string,
  fromSettings: string | undefined,
  newToken: () => string,
): Promise<{ readonly token: string; readonly file: string | undefined }> {
  if (fromSettings !== undefined) return { token: fromSettings, file: undefined };
  const path = join(dataDir, "admin-token");
  const known = await readFile(path, "utf8").catch(() => "");
  if (known.trim() !== "") return { token: known.trim(), file: path };
  const token = newToken();
  // Whole, or not there at all: it is told to people, and must be the same after any start.
  await replaceDurably(path, `${token}\n`, { mode: 0o600 });
  return { token, file: path };
}
