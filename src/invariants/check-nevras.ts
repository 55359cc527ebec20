import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { isBuildChannel } from "../domain/channel.ts";
import { yumLayout } from "../yum/layout.ts";
import type { YumLayout } from "../yum/layout.ts";
import { readGeneration, readTargetState } from "../yum/target-state.ts";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { listedPackages } from "./listed-packages.ts";
import type { PackageRecord } from "./rows.ts";
import type { Look } from "./world.ts";

const finding = findingsOf("I6");
const YANK = "tatara yank it with --refuse-downloads, and publish the content under a new release";

/** I6: every name of a package means one content, in the pool and in every generation. */
export async function checkNevras(look: Look): Promise<readonly Finding[]> {
  const layout = yumLayout(join(look.dataDir, "yum"));
  const contents = await contentsByNevra(look, layout);
  const found: Finding[] = [];
  for (const row of look.records.all("packages")) {
    if (row.sweptAt === null) found.push(...(await checkPool(layout, row)));
    found.push(...checkListed(row, contents.get(row.nevra) ?? new Set()));
  }
  return found;
}

async function checkPool(layout: YumLayout, row: PackageRecord): Promise<readonly Finding[]> {
  const { signedSha256: sha256, fileName, nevra } = row;
  const path = layout.package({ sha256, fileName });
  const seen = await sha256Of(path);
  if (seen === sha256) return [];
  const wayOut = "restore the file from a backup; hosts refuse the changed bytes by their checksum";
  const what = seen === undefined ? "a package is not in the pool" : "a package has other bytes";
  const evidence = `${path}: ${seen ?? "no such file"}, not ${sha256}`;
  return [finding({ what, where: nevra, evidence, wayOut })];
}

/** A freed name was never released, so no generation for hosts may list it. */
function checkListed(row: PackageRecord, listed: ReadonlySet<string>): readonly Finding[] {
  const seen = [...listed].join(", ");
  const where = row.nevra;
  if (row.freedAt !== null) {
    if (seen === "") return [];
    const what = "a package is listed that was never released";
    return [finding({ what, where, evidence: seen, wayOut: YANK })];
  }
  if ([...listed].every((sha256) => sha256 === row.signedSha256)) return [];
  const figure = listed.size > 1 ? "duplicated" : "broken";
  const evidence = `listed as ${seen}, recorded as ${row.signedSha256}`;
  const what = "one name of a package stands for several contents";
  return [finding({ figure, what, where, evidence, wayOut: YANK })];
}

/** NEVRA → the checksums under which generations that are kept list it; builds' own do not count. */
async function contentsByNevra(
  { records }: Look,
  layout: YumLayout,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const contents = new Map<string, Set<string>>();
  const read = new Set<string>();
  for (const { channel, number, sweptAt } of records.all("generations")) {
    if (sweptAt !== null || isBuildChannel(channel)) continue;
    // What cannot be read is the business of I5 while hosts get it, and of nobody afterwards.
    const file = await readGeneration(layout, channel, number).catch(() => undefined);
    for (const [target, made] of Object.entries(file?.targets ?? {})) {
      const place = { channel, number: made, target };
      const key = [channel, made, target].join(" ");
      if (read.has(key)) continue;
      read.add(key);
      const state = await readTargetState(layout, place).catch(() => undefined);
      const packages = state && (await listedPackages(layout, state).catch(() => []));
      for (const { nevra, sha256 } of packages ?? []) {
        contents.set(nevra, (contents.get(nevra) ?? new Set()).add(sha256));
      }
    }
  }
  return contents;
}

async function sha256Of(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      hash.update(chunk as Buffer);
    }
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}
