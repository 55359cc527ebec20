import { buildChannelName } from "../../domain/channel.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../shared/channel-settings.ts";
import type { Changed } from "./changed.ts";
import { packagesOf } from "./build-packages.ts";
import { findChannel, insertChannel } from "./channels.ts";
import { channelsOfBuild } from "./child-channels.ts";
import { insertPublish } from "./new-publishes.ts";
import type { BuildRow, PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { isNewerPlan, mayPublish, readPlan } from "./stored-plan.ts";

const BUILD_CHANNEL_DAYS = 14;
const DAY_MS = 24 * 3_600_000;

/** The packages go to the build's own channel first, to be verified. */
export async function stage(tx: Tx, build: BuildRow): Promise<Changed> {
  const channel = await ensureBuildChannel(tx, build);
  return await insert(tx, build, { purpose: "stage", channels: [channel] });
}

/** All jobs have passed: the packages go to where the rules send them. Undefined: nowhere. */
export async function release(tx: Tx, build: BuildRow): Promise<Changed | undefined> {
  // Held at the start, so nobody gets here; but "nothing to publish" would let it pass.
  if (isNewerPlan(build)) throw new Error(`Build ${build.id} has a plan of a newer version.`);
  const plan = readPlan(build);
  if (plan === undefined || !mayPublish(build)) return undefined;
  const made = await packagesOf(tx, build.id);
  if (made.length === 0) return undefined;
  const byProject = new Map<string, readonly string[]>();
  for (const project of new Set(made.map((one) => one.project))) {
    const rules = plan.pipeline.projects.find(({ name }) => name === project)?.publish ?? [];
    byProject.set(project, await channelsOfBuild(tx, build, rules));
  }
  const channels = [...new Set([...byProject.values()].flat())];
  if (channels.length === 0) return undefined;
  const isSame = [...byProject.values()].every(({ length }) => length === channels.length);
  const channelsOf = Object.fromEntries(
    made.map(({ sha256, project }) => [sha256, byProject.get(project) ?? []]),
  );
  return await insert(tx, build, {
    purpose: "final",
    channels,
    request: isSame ? null : { channelsOf },
  });
}

/** Which channels a package of a build goes to, where its projects do not agree. */
export interface BuildRequest {
  /** Digest of the unsigned file → names of channels. */
  readonly channelsOf: Readonly<Record<string, readonly string[]>>;
}

export function buildRequestOf({ kind, requestJson }: PublishRow): BuildRequest | undefined {
  if (kind !== "build" || requestJson === null) return undefined;
  return JSON.parse(requestJson) as BuildRequest;
}

async function insert(
  tx: Tx,
  { id: buildId }: BuildRow,
  wish: {
    readonly purpose: "stage" | "final";
    readonly channels: readonly string[];
    readonly request?: BuildRequest | null;
  },
): Promise<Changed> {
  const { purpose, channels, request = null } = wish;
  const id = await insertPublish(tx, {
    kind: "build",
    purpose,
    buildId,
    channels,
    requestJson: request === null ? null : JSON.stringify(request),
    by: "push",
    note: purpose === "stage" ? "to be verified" : "",
  });
  return { buildId, publishId: id, publish: { id, channels } };
}

/** Nobody else publishes there; it goes when nobody can want to look at it any more. */
async function ensureBuildChannel(tx: Tx, { id, repo }: BuildRow): Promise<string> {
  const name = buildChannelName(id);
  if ((await findChannel(tx, name)) === undefined) {
    const expiresAt = tx.now() + BUILD_CHANNEL_DAYS * DAY_MS;
    // It stands alone, so what its packages require from other channels is not to be found in it.
    const checks = { requires: "ignore", fileConflicts: "ignore" } as const;
    const settings = { ...DEFAULT_CHANNEL_SETTINGS, ...checks, repos: [repo] };
    await insertChannel(tx, { name, settings, expiresAt });
  }
  return name;
}
