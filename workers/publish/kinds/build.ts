import { formatNevra } from "../../../src/domain/nevra.ts";
import type { BuildPublishGrant } from "../../../src/shared/publish-grants.ts";
import type { PublishedPackage } from "../../../src/shared/package-messages.ts";
import { checkIdentities, identityOf, keepFirstTwins } from "../check-identities.ts";
import type { Checked } from "../check-identities.ts";
import type { NewPackage } from "../engine/engine.ts";
import { advisoriesOf } from "../errata/advisories-of.ts";
import { fetchPackages } from "../fetch-packages.ts";
import { inspectPackages } from "../inspect-rpm.ts";
import type { InspectedPackage } from "../inspect-rpm.ts";
import { listedTargets } from "../listed-targets.ts";
import { oneLine } from "../one-line.ts";
import { NO_CHANGE } from "../prepared.ts";
import type { Prepared } from "../prepared.ts";
import type { Publish } from "../publish-context.ts";
import { checkResolves } from "../check-resolves.ts";
import { signPackages } from "../sign-packages.ts";
import type { ReadyPackage } from "../sign-packages.ts";
import { readChannels } from "../channel-facts.ts";
import type { ChannelFacts } from "../channel-facts.ts";

type BuildPublish = Publish<BuildPublishGrant>;

/** Fetch → inspect → check and sign → pool: all of a build's packages, for all of its channels. */
export async function prepareBuild(publish: BuildPublish, signal: AbortSignal): Promise<Prepared> {
  const { grant, stopwatch } = publish;
  const reading = readChannels(grant.channels, publish);
  // Whoever awaits it first hears of a failure.
  reading.catch(() => undefined);
  const fetched = await stopwatch.time("fetch", fetchPackages(publish, signal));
  const inspected = await stopwatch.time("inspect", inspectPackages(fetched, signal));
  const channels = await reading;
  const made = keepFirstTwins(
    inspected.map((each) => ({
      ...each,
      nevra: each.rpm.nevra,
      unsignedSha256: each.built.sha256,
      madeFor: each.built.target,
      targets: targetsOf(each, inspected, channels),
    })),
  );
  const { advisories, warnings } = advisoriesFor(made, channels, publish);

  const checking = checkAll(made, channels, publish, signal);
  const published = checking.then((checked) => checked.published);
  // Signing hears of it, if it has not failed before.
  published.catch(() => undefined);
  const signing = signPackages(made, published, publish, signal);
  const { ready, storing } = await stopwatch.time("sign", signing);
  return {
    changes: channels.map(({ name, head, settings }) => ({
      channel: name,
      head,
      settings,
      edit: { ...NO_CHANGE, add: additionsOf(goingTo(name, ready, grant)), advisories },
    })),
    packages: distinctOf(ready).map(publishedPackageOf),
    advisories,
    warnings: [...warnings, ...(await checking).warnings],
    storing,
  };
}

type Made = InspectedPackage & { readonly targets: readonly string[] };
type Ready = ReadyPackage<Made>;

/** Every target that the build itself or one of its channels has. */
function targetsOf(
  { built, rpm }: InspectedPackage,
  inspected: readonly InspectedPackage[],
  channels: readonly ChannelFacts[],
): readonly string[] {
  const known = [
    ...inspected.map((other) => other.built.target),
    ...channels.flatMap(({ targets }) => targets),
  ];
  return listedTargets(built.target, rpm.nevra, known);
}

function advisoriesFor(
  made: readonly Made[],
  channels: readonly ChannelFacts[],
  { grant, now }: BuildPublish,
) {
  const { errata, message, build } = grant;
  const packages = made.map(({ rpm }) => rpm);
  const published = new Set(channels.flatMap(({ advisories }) => advisories));
  return advisoriesOf({ errata, message, build, packages, published, now: now() });
}

/** What the server refuses, then what the channels cannot have; side by side. */
async function checkAll(
  made: readonly Made[],
  channels: readonly ChannelFacts[],
  publish: BuildPublish,
  signal: AbortSignal,
): Promise<Checked> {
  const { stopwatch } = publish;
  const identities = made.map(({ rpm, built }) => identityOf(rpm, built.sha256, built.target));
  const asking = stopwatch.time("check", checkIdentities(identities, publish, signal));
  const added = made.map(({ rpm, built, targets }) => ({ rpm, targets, file: built }));
  const resolving = stopwatch.time("resolve", checkResolves(added, channels, publish));
  const [asked, resolved] = await Promise.allSettled([asking, resolving]);
  if (asked.status === "rejected") throw asked.reason;
  if (resolved.status === "rejected") throw resolved.reason;
  return { ...asked.value, warnings: [...asked.value.warnings, ...resolved.value] };
}

/** Projects of one build may publish to different channels. */
function goingTo(
  channel: string,
  ready: readonly Ready[],
  { packages }: BuildPublishGrant,
): readonly Ready[] {
  const elsewhere = new Set(
    packages.flatMap(({ sha256, channels }) =>
      channels == null || channels.includes(channel) ? [] : [sha256],
    ),
  );
  return ready.filter(({ built }) => !elsewhere.has(built.sha256));
}

/** By target; what two jobs brought alike is listed once. */
function additionsOf(ready: readonly Ready[]): Map<string, NewPackage[]> {
  const additions = new Map<string, Map<string, NewPackage>>();
  for (const { rpm, signed, targets } of ready) {
    const nevra = formatNevra(rpm.nevra);
    const { sha256, fileName, sizeBytes, path } = signed;
    for (const target of targets) {
      const listed = additions.get(target) ?? new Map<string, NewPackage>();
      additions.set(target, listed.set(nevra, { nevra, sha256, fileName, sizeBytes, path }));
    }
  }
  return new Map([...additions].map(([target, listed]) => [target, [...listed.values()]]));
}

/** A file that several jobs brought is one package, in the targets of all of them. */
function distinctOf(ready: readonly Ready[]): readonly Ready[] {
  const distinct = new Map<string, Ready>();
  for (const rpm of ready) {
    const before = distinct.get(rpm.built.sha256);
    const targets = [...new Set([...(before?.targets ?? []), ...rpm.targets])];
    distinct.set(rpm.built.sha256, { ...rpm, targets });
  }
  return [...distinct.values()];
}

function publishedPackageOf({ rpm, built, signed, targets }: Ready): PublishedPackage {
  return {
    nevra: rpm.nevra,
    summary: oneLine(rpm.summary),
    license: oneLine(rpm.license),
    unsignedSha256: built.sha256,
    signedSha256: signed.sha256,
    sizeBytes: signed.sizeBytes,
    fileName: signed.fileName,
    sourceRpm: rpm.sourceRpm.slice(0, SOURCE_RPM_MAX),
    buildTime: rpm.buildTime * 1_000,
    targets: [...targets],
  };
}

const SOURCE_RPM_MAX = 300;
