import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../../src/shared/durable.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { listedAdvisory } from "../../../src/shared/package-messages.ts";
import type { ListedAdvisory } from "../../../src/shared/package-messages.ts";
import { renameSynced, writeSynced } from "../durable.ts";

/** Advisories by their id, for all channels and targets. */
export interface AdvisoryFiles {
  /** Newest text; packages of earlier builds under the same id stay with it. On the disk when it resolves. */
  keep(advisories: readonly ListedAdvisory[]): Promise<void>;
  /** Ids that are not known are left out. */
  read(ids: readonly string[]): Promise<readonly ListedAdvisory[]>;
}

export function openAdvisoryFiles(layout: YumLayout): AdvisoryFiles {
  const folder = join(layout.yumDir, "advisories");
  const pathOf = (id: string): string => join(folder, `${id}.json`);
  const readOne = async (id: string): Promise<ListedAdvisory | undefined> => {
    const json = await readFile(pathOf(id), "utf8").catch((err: unknown) => {
      if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
      throw err;
    });
    return json === undefined ? undefined : listedAdvisory.parse(JSON.parse(json));
  };

  const keepAll = async (advisories: readonly ListedAdvisory[]): Promise<void> => {
    await makeFolder(folder);
    for (const advisory of advisories) {
      const known = await readOne(advisory.id);
      const nevras = [...new Set([...(known?.nevras ?? []), ...advisory.nevras])];
      const json = JSON.stringify({ ...advisory, nevras });
      if (json === JSON.stringify(known)) continue;
      const staged = join(layout.staging, `advisory-${randomUUID()}`);
      await writeSynced(staged, json);
      await renameSynced(staged, pathOf(advisory.id));
    }
  };

  // One after the other: two channels may tell of the same advisory at once.
  let last: Promise<void> = Promise.resolve();
  return {
    keep: async (advisories) => {
      if (advisories.length === 0) return;
      last = last.then(
        () => keepAll(advisories),
        () => keepAll(advisories),
      );
      await last;
    },
    read: async (ids) => {
      const read = await Promise.all(ids.map(readOne));
      return read.filter((each) => each !== undefined);
    },
  };
}
