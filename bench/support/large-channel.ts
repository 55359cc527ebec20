import { join } from "node:path";
import { mkdir } from "node:fs/promises";
import { startYum, type Yum } from "../../test/support/start-yum.ts";
import { makeSeeds, writeManyRpms, type Seed } from "../../test/support/many-rpms.ts";
import type { ChangeResult } from "../../src/shared/channel-changes.ts";

export const TARGET = "debian12.x86_64";
export const CHANNEL = "dev";
const IMPORT_MS = 3_600_000;
const POLL_MS = 500;

/** A real server and publish worker whose `dev` channel was filled by an import. */
export interface LargeChannel extends AsyncDisposable {
  readonly yum: Yum;
  /** The RPMs as they were imported: unsigned, in one folder. */
  readonly folder: string;
  readonly importMs: number;
  /** One more package, not published yet. */
  newPackage(): Promise<string>;
}

export async function largeChannel(packages: number): Promise<LargeChannel> {
  const yum = await startYum();
  try {
    const seeds = await makeSeeds();
    const folder = join(yum.dir, "imported");
    await mkdir(folder);
    await writeManyRpms(seeds, { into: { folder }, count: packages });
    const startedAt = performance.now();
    await importFolder(yum, folder);
    const importMs = performance.now() - startedAt;
    return {
      yum,
      folder,
      importMs,
      newPackage: newPackages(yum, seeds, packages),
      [Symbol.asyncDispose]: async () => await yum[Symbol.asyncDispose](),
    };
  } catch (err) {
    await yum[Symbol.asyncDispose]();
    throw err;
  }
}

function newPackages(yum: Yum, seeds: readonly Seed[], from: number): () => Promise<string> {
  let next = from;
  return async () => {
    const folder = join(yum.dir, "new", String(next));
    await mkdir(folder, { recursive: true });
    const [made] = await writeManyRpms(seeds, { into: { folder }, from: next, count: 1 });
    next += 1;
    if (made === undefined) throw new Error("No package was made.");
    return join(folder, made.fileName);
  };
}

async function importFolder(yum: Yum, folder: string): Promise<void> {
  const json = { target: TARGET, folder };
  const asked = await yum.api<ChangeResult>(`/api/channels/${CHANNEL}/import`, { json });
  for (const until = performance.now() + IMPORT_MS; performance.now() < until;) {
    const now = await yum.api<ChangeResult>(`/api/changes/${asked.publishId}`);
    if (now.state === "live") return;
    if (!["queued", "running"].includes(now.state)) throw new Error(`import: ${now.reason}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`The import took more than ${IMPORT_MS} ms.`);
}
