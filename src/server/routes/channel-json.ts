import type { PackageDetails } from "../changes/package-details.ts";
import type {
  ChannelSummary,
  ChannelView,
  GenerationView,
  PackageNameView,
  PackageView,
} from "../views.ts";
import { buildPath } from "../pages/parts.ts";

/** Views as the API tells them: instants as ISO 8601, addresses whole. */
export function channelJson(channel: ChannelSummary, publicUrl: string) {
  const { name, head, parent, settings, targets } = channel;
  return {
    name,
    url: `${publicUrl}/channels/${name}`,
    repoFileUrl: `${publicUrl}/yum/${name}.repo`,
    head,
    updatedAt: iso(channel.updatedAt),
    parent,
    expiresAt: iso(channel.expiresAt),
    targets,
    settings,
  };
}

export function channelViewJson(channel: ChannelView, publicUrl: string) {
  return {
    ...channelJson(channel, publicUrl),
    generations: channel.generations.map(generationJson),
  };
}

export function generationJson(generation: GenerationView) {
  return { ...generation, createdAt: iso(generation.createdAt) };
}

export function packageNameJson(name: PackageNameView) {
  return { ...name, publishedAt: iso(name.publishedAt) };
}

export function packageJson(one: PackageView, publicUrl: string) {
  const { yanked, buildId, buildNumber, repo, signedSha256, ...facts } = one;
  return {
    ...facts,
    repo,
    sha256: signedSha256,
    publishedAt: iso(one.publishedAt),
    yanked: yanked && { ...yanked, at: iso(yanked.at) },
    build:
      buildId === null || buildNumber === null
        ? null
        : {
            id: buildId,
            repo,
            number: buildNumber,
            url: publicUrl + buildPath({ repo, number: buildNumber }),
          },
  };
}

export function detailsJson(details: PackageDetails) {
  return {
    ...details,
    buildTime: iso(details.buildTime),
    changelog: details.changelog.map(({ at, ...entry }) => ({ ...entry, at: iso(at) })),
  };
}

function iso(instant: number): string;
function iso(instant: number | null): string | null;
function iso(instant: number | null): string | null {
  return instant === null ? null : new Date(instant).toISOString();
}
