import { open, readFile } from "node:fs/promises";
import { join } from "node:path";

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
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(`${token}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return { token, file: path };
}
