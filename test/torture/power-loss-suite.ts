import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startForgeDouble } from "../support/forge-double.ts";
import { imageChecks } from "./power-loss/check-image.ts";
import { crashImage } from "./power-loss/crash-image.ts";
import type { CrashImage } from "./power-loss/crash-image.ts";
import { Disk } from "./power-loss/disk.ts";
import { imageFiles } from "./power-loss/image-files.ts";
import { imageRecords } from "./power-loss/image-records.ts";
import { recordLife } from "./power-loss/live.ts";
import type { Recording } from "./power-loss/live.ts";
import { sift, toldAt } from "./power-loss/sift.ts";
import { startOn } from "./power-loss/start-image.ts";
import { acceptedCount } from "./ledger.ts";
import { randomOf } from "./random.ts";
import type { Outcome, SuiteOptions } from "./suite.ts";

/** Up to so many images, a life of a few seconds and two starts are enough. */
const SMALL_COUNT = 1_000;
const STARTS = { small: 2, large: 6 } as const;

/**
 * Records what a Tatara at work asks of the disk, and builds from it `count` disks as a loss of power
 * may leave them: what was synced is there, of the rest anything or nothing. Whatever had been told to
 * anybody must be in each, and what is in it must be whole; on some of them a Tatara is started.
 */
export async function runPowerLossSuite(options: SuiteOptions): Promise<Outcome> {
  const { count, tell } = options;
  const isShort = count <= SMALL_COUNT;
  await using forge = await startForgeDouble();
  const recording = await recordLife(forge, { ...options, isShort });
  const dir = await mkdtemp(join(tmpdir(), "tatara-images-"));
  try {
    const files = imageFiles(dir);
    const { images, violations, chosen } = await sift(recording, {
      ...options,
      isShort,
      recordsOf: imageRecords(dir),
      checks: imageChecks({ files, last: lastOf(recording) }),
      starts: isShort ? STARTS.small : STARTS.large,
    });
    tell(`looked at ${images} images: ${violations.length} findings`);
    const { ledger } = recording;
    for (const { figure, what } of violations) tell(`${figure}: ${what}`);
    // One after the other: all have the same jobs, and the engine has one name for each.
    for (const one of chosen) {
      const told = toldAt(recording, one.at);
      const found = await startOn(one, { files, forge, ledger, told, options });
      tell(`started ${one.name}: ${found.length} findings`);
      violations.push(...found);
    }
    return { accepted: acceptedCount(ledger), kills: images, violations };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** All as it was when the recorded Tatara had stopped. */
function lastOf({ calls }: Recording): CrashImage {
  const disk = new Disk();
  for (const call of calls) disk.apply(call);
  return crashImage(disk, "all", randomOf(0, "last"));
}
