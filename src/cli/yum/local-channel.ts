import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { yumLayout } from "../../yum/layout.ts";
import type { YumLayout } from "../../yum/layout.ts";
import { readServedView } from "../../yum/served-view.ts";
import type { ServedPlace } from "../../yum/served-view.ts";

/**
 * The data folder's files, if they are what the server serves: the server may be on another machine,
 * or the folder another server's. Undefined otherwise.
 */
export async function localLayout(
  dataDir: string,
  place: ServedPlace,
  servedRepomd: Uint8Array,
): Promise<YumLayout | undefined> {
  const layout = yumLayout(join(dataDir, "yum"));
  try {
    const served = await readServedView(layout, place);
    if (served === undefined) return undefined;
    const own = await readFile(join(served.repodata, "repomd.xml"));
    return own.equals(servedRepomd) ? layout : undefined;
  } catch {
    return undefined; // There is no such folder here, or another user's.
  }
}
