import { channelsFor, childChannelFor } from "../../domain/channel.ts";
import type { PublishRule } from "../../domain/pipeline.ts";
import { findChannel, insertChannel, updateSettings } from "./channels.ts";
import { readPullRequest } from "./new-builds.ts";
import { insertPublish } from "./new-publishes.ts";
import type { RestoreRequest } from "./publish-requests.ts";
import type { BuildRow } from "./schema.ts";
import type { Tx } from "./store.ts";

const DAY_MS = 24 * 3_600_000;

export interface ChildWish {
  readonly name: string;
  readonly parent: string;
  /** The only one that may publish there. */
  readonly repo: string;
  /** Counted anew each time this is asked for. */
  readonly expireDays: number;
}

/**
 * The channel of a branch or a pull request: a copy of what its parent lists now, made at the first
 * publish. `publishId`: the publish that makes the copy, to be announced before the build's own.
 * Undefined when there is no such parent. A channel that a person made under this name is left as
 * it is, and its settings say who may publish there.
 */
export async function ensureChildChannel(
  tx: Tx,
  wish: ChildWish,
): Promise<{ readonly name: string; readonly publishId: string | undefined } | undefined> {
  const { name, repo } = wish;
  const expiresAt = tx.now() + wish.expireDays * DAY_MS;
  const known = await findChannel(tx, name);
  if (known !== undefined) {
    // One that never expires was made so by a person; neither does a push shorten a life.
    if (known.parent !== null && known.expiresAt !== null && known.expiresAt < expiresAt) {
      await updateSettings(tx, name, { expiresAt });
    }
    return { name, publishId: undefined };
  }
  const parent = await findChannel(tx, wish.parent);
  if (parent === undefined || parent.parent !== null) return undefined;
  const from = { name: parent.name, number: parent.head };
  // It ends soon, so nothing is thrown away before, and what is newer in the parent does not matter.
  const settings = { ...parent.settings, repos: [repo], branchChannels: null };
  await insertChannel(tx, { name, parent: from, settings, expiresAt });
  return { name, publishId: await requestCopy(tx, name, from) };
}

/** A new channel begins with what a generation of its parent lists; undefined when that is nothing. */
export async function requestCopy(
  tx: Tx,
  name: string,
  from: { readonly name: string; readonly number: number },
  by = "push",
): Promise<string | undefined> {
  if (from.number === 0) return undefined;
  const request: RestoreRequest = {
    channel: name,
    from: { channel: from.name, number: from.number },
  };
  return await insertPublish(tx, {
    kind: "restore",
    buildId: null,
    channels: [name],
    requestJson: JSON.stringify(request),
    by,
    note: `begins with ${from.name}, generation ${from.number}`,
  });
}

/** While a pull request is open: its close ends its channel sooner, unless nobody tells us of it. */
const PULL_REQUEST_DAYS = 365;

/**
 * The channels that a build's packages go to: by the rules, or that of its branch or pull request
 * alone, made now if it is new. Asked for only when there are packages, or every branch would leave
 * a channel.
 */
export async function channelsOfBuild(
  tx: Tx,
  build: Pick<BuildRow, "repo" | "ref" | "defaultBranch" | "pullRequestJson">,
  rules: readonly PublishRule[],
): Promise<readonly string[]> {
  const { repo, ref, defaultBranch } = build;
  const pullRequest = readPullRequest(build)?.number ?? null;
  const facts = { repo, ref, defaultBranch, pullRequest };
  const channels = channelsFor(rules, facts);
  if (channels.length > 0) return channels;
  const wanted = childChannelFor(rules, facts);
  const parent = wanted && (await findChannel(tx, wanted.parent));
  if (wanted === undefined || parent === undefined) return [];
  const branchDays = parent.settings.branchChannels?.expireDays;
  const expireDays = wanted.kind === "branch" ? branchDays : PULL_REQUEST_DAYS;
  if (expireDays === undefined) return [];
  const { name } = wanted;
  const child = await ensureChildChannel(tx, { name, parent: wanted.parent, repo, expireDays });
  return child === undefined ? [] : [child.name];
}
