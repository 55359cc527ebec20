import { LEASE_MS } from "../../domain/attempt.ts";
import type { ChannelEdit, GrantedChannel, PublishGrant } from "../../shared/publish-grants.ts";
import { buildFactsOf } from "./build-grants.ts";
import { packagesOf } from "./build-packages.ts";
import { findBuild } from "./builds.ts";
import { findChannels, type Channel } from "./channels.ts";
import { yankedReasons } from "./packages.ts";
import { channelsOf } from "./publish-ends.ts";
import { requestOf, type ChannelEditRequest, type RequestOf } from "./publish-requests.ts";
import type { PublishRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { planSweep } from "./sweep.ts";
import { buildRequestOf } from "./verify-release.ts";

/** It can never be done: why. */
export interface Impossible {
  readonly impossible: string;
}

type Base = Pick<PublishGrant, "publishId" | "lease">;

/** What a worker needs to do a publish that it has claimed: heads and settings are those of now. */
export async function grantOf(
  tx: Tx,
  publish: PublishRow,
  token: string,
): Promise<PublishGrant | Impossible> {
  const lease = { token, attempt: publish.attempt, leaseMs: LEASE_MS };
  const base = { publishId: publish.id, lease };
  const channels = await findChannels(tx, channelsOf(publish));
  const gone = channelsOf(publish).find((name) => !channels.has(name));
  if (gone !== undefined) return { impossible: `channel ${gone} was deleted` };
  const one = (name: string): GrantedChannel => grantedChannel(channels, name);
  switch (publish.kind) {
    case "build":
      return await buildGrantOf(tx, publish, base, channelsOf(publish).map(one));
    case "edit":
      return { ...base, kind: "edit", edits: await editsOf(tx, requestOf(publish, "edit"), one) };
    case "restore": {
      const { channel, from } = requestOf(publish, "restore");
      return { ...base, kind: "restore", channel: one(channel), from };
    }
    case "import": {
      const { channel, ...request } = requestOf(publish, "import");
      return { ...base, kind: "import", channel: one(channel), ...request };
    }
    case "sweep": {
      const { dryRun } = requestOf(publish, "sweep");
      const { keep, dropPackages, graceMs } = await planSweep(tx, publish);
      const kept = keep.map(({ channel, numbers }) => ({ channel, numbers: [...numbers] }));
      return {
        ...base,
        kind: "sweep",
        keep: kept,
        dropPackages: [...dropPackages],
        graceMs,
        dryRun,
      };
    }
  }
}

function grantedChannel(channels: ReadonlyMap<string, Channel>, name: string): GrantedChannel {
  const channel = channels.get(name);
  if (channel === undefined) throw new Error(`The request does not name channel ${name}.`);
  return { name, head: channel.head, settings: channel.settings };
}

async function buildGrantOf(
  tx: Tx,
  publish: PublishRow,
  base: Base,
  channels: GrantedChannel[],
): Promise<PublishGrant | Impossible> {
  const build = publish.buildId === null ? undefined : await findBuild(tx, publish.buildId);
  if (build === undefined) return { impossible: "its build is not known" };
  const packages = await packagesOf(tx, build.id);
  const request = buildRequestOf(publish);
  return {
    ...base,
    kind: "build",
    build: buildFactsOf(tx, build),
    message: build.message,
    errata: build.errata,
    channels,
    packages: packages.map(({ jobId: _jobId, project: _project, ...made }) => ({
      ...made,
      channels: [...(request?.channelsOf[made.sha256] ?? channels.map(({ name }) => name))],
    })),
  };
}

async function editsOf(
  tx: Tx,
  { edits }: RequestOf["edit"],
  one: (name: string) => GrantedChannel,
): Promise<ChannelEdit[]> {
  const yanked = await yankedReasons(tx);
  const editOf = ({ channel, ...edit }: ChannelEditRequest): ChannelEdit => ({
    channel: one(channel),
    // Yanked since it was asked for: it stays hidden.
    add: edit.add.filter(({ nevra }) => !yanked.has(nevra)),
    remove: [...edit.remove],
    advisories: [...edit.advisories],
    extras: [...edit.extras],
    rewrite: edit.rewrite,
  });
  return edits.map(editOf);
}
