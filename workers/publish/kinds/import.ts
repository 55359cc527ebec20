import { formatNevra } from "../../../src/domain/nevra.ts";
import { isTargetName } from "../../../src/domain/channel.ts";
import { UserFault } from "../../../src/domain/faults.ts";
import type { ImportGrant } from "../../../src/shared/publish-grants.ts";
import type { PublishedPackage } from "../../../src/shared/package-messages.ts";
import { readChannels } from "../channel-facts.ts";
import type { ChannelFacts } from "../channel-facts.ts";
import type { NewPackage } from "../engine/engine.ts";
import { checkAllIdentities } from "../import/check-all.ts";
import { withOrigins } from "../import/find-origins.ts";
import { findRpms } from "../import/find-rpms.ts";
import { poolAll } from "../import/pool-all.ts";
import type { Imported } from "../import/pool-all.ts";
import { withProgress } from "../import/progress.ts";
import type { Progress } from "../import/progress.ts";
import { readAll } from "../import/read-all.ts";
import { ourKeyIds } from "../import/our-key-ids.ts";
import { sortBySigner } from "../import/sort-by-signer.ts";
import { listedTargets } from "../listed-targets.ts";
import { NO_CHANGE } from "../prepared.ts";
import type { Prepared } from "../prepared.ts";
import type { Publish } from "../publish-context.ts";

type ImportPublish = Publish<ImportGrant>;

/**
 * Find → read → look who signed → check → sign or link → pool: all RPMs of a folder, for one
 * generation. Nothing enters the pool before all of them are read and accepted. Killed at any point
 * and granted again, it finds what it has pooled.
 */
export async function prepareImport(
  publish: ImportPublish,
  signal: AbortSignal,
): Promise<Prepared> {
  const { target } = publish.grant;
  if (!isTargetName(target)) {
    const hint = "A target is a distribution and an architecture: el9.x86_64.";
    throw new UserFault("PACKAGE_INVALID", `There is no target "${target}".`, { hint });
  }
  return await withProgress(publish, (progress) => importAll(publish, progress, signal), signal);
}

async function importAll(
  publish: ImportPublish,
  progress: Progress,
  signal: AbortSignal,
): Promise<Prepared> {
  const { grant, layout, stopwatch } = publish;
  progress.begin("looking for packages", 0);
  const paths = await stopwatch.time("find", findRpms(grant.folder, layout, signal));
  const found = await stopwatch.time("read", readAll(paths, grant.target, progress, signal));
  const sorted = sortBySigner(found, await ourKeyIds(layout), grant);
  const packages = await withOrigins(sorted.packages, layout);
  const checking = checkAllIdentities(packages, publish, signal);
  const checked = await stopwatch.time("check", checking);
  const pooling = poolAll(packages, checked.published, { publish, progress }, signal);
  const imported = await stopwatch.time("pool", pooling);

  const [channel] = await readChannels([grant.channel], publish);
  if (channel === undefined) throw new TypeError("A channel that was asked for was not read.");
  const { name, head, settings } = channel;
  const listed = imported.map((each) => ({ ...each, targets: targetsOf(each, channel, grant) }));
  return {
    changes: [
      { channel: name, head, settings, edit: { ...NO_CHANGE, add: additionsOf(listed, publish) } },
    ],
    packages: listed.map(publishedPackageOf),
    advisories: [],
    warnings: [...sorted.warnings, ...checked.warnings],
    storing: Promise.resolve(),
  };
}

type Listed = Imported & { readonly targets: readonly string[] };

function targetsOf(
  { found }: Imported,
  channel: ChannelFacts,
  { target }: ImportGrant,
): readonly string[] {
  return listedTargets(target, found.identity.nevra, [target, ...channel.targets]);
}

function additionsOf(
  listed: readonly Listed[],
  { pool }: ImportPublish,
): Map<string, NewPackage[]> {
  const additions = new Map<string, NewPackage[]>();
  for (const { found, pooled, targets } of listed) {
    const nevra = formatNevra(found.identity.nevra);
    const { sha256, fileName, sizeBytes } = pooled;
    const added = { nevra, sha256, fileName, sizeBytes, path: pool.pathOf(pooled) };
    for (const target of targets) {
      const packages = additions.get(target) ?? [];
      packages.push(added);
      additions.set(target, packages);
    }
  }
  return additions;
}

function publishedPackageOf({ found, pooled, targets }: Listed): PublishedPackage {
  const { identity, summary, license, sourceRpm, buildTime } = found;
  return {
    nevra: identity.nevra,
    summary,
    license,
    unsignedSha256: identity.unsignedSha256,
    signedSha256: pooled.sha256,
    sizeBytes: pooled.sizeBytes,
    fileName: pooled.fileName,
    sourceRpm,
    buildTime: buildTime * 1_000,
    targets: [...targets],
  };
}
