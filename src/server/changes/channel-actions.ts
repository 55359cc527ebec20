import { isBuildChannel, isFirstChannel } from "../../domain/channel.ts";
import { channelSettings, type ChannelSettings } from "../../shared/channel-settings.ts";
import type {
  AllowanceRequest,
  CreateChannelRequest,
  ImportRequest,
  PatchChannelRequest,
  PinRequest,
  SettingsPatch,
} from "../../shared/channel-requests.ts";
import type { PassedThrough } from "../../shared/package-messages.ts";
import type { Announcer } from "../announcer.ts";
import type { Changed } from "../store/builds.ts";
import {
  allow,
  allowances,
  askedChange,
  deleteChannel,
  disallow,
  findChannel,
  insertChannel,
  requestChange,
  transferName,
  updateSettings,
} from "../store/changes.ts";
import { requestCopy } from "../store/child-channels.ts";
import type { Store, Tx } from "../store/store.ts";
import { problemOfExtra } from "./extras.ts";
import { pin } from "./pin.ts";
import { isRefused, noSuchChannel, refused, type Refused } from "./refused.ts";

const DAY_MS = 24 * 3_600_000;

export interface ChannelActionsDeps {
  readonly store: Store;
  readonly announcer: Announcer;
}

/** What is asked for and under way; null: nothing had to be published for it. */
export interface Begun {
  readonly publishId: string | null;
}

export type ChannelActions = ReturnType<typeof channelActions>;

/** What people do to channels and names beside changing what is listed: on disk first, then told. */
export function channelActions({ store, announcer }: ChannelActionsDeps) {
  const begin = async (
    channel: string,
    work: (tx: Tx) => Promise<string | undefined | Refused>,
  ): Promise<Begun | Refused> => {
    const done = await store.write(work);
    if (isRefused(done)) return done;
    if (done !== undefined) announcer.announce(askedChange(done, [channel]));
    return { publishId: done ?? null };
  };

  return {
    create: (request: CreateChannelRequest, by: string) =>
      begin(request.name, (tx) => create(tx, request, by)),
    patch: (name: string, request: PatchChannelRequest, by: string) =>
      begin(name, (tx) => patch(tx, name, request, by)),
    remove: async (name: string): Promise<{ readonly deleted: string } | Refused> => {
      const removed = await store.write((tx) => remove(tx, name));
      if (isRefused(removed)) return removed;
      removed.forEach(announcer.announce);
      return { deleted: name };
    },
    pin: (channel: string, request: PinRequest) => store.write((tx) => pin(tx, channel, request)),
    import: (channel: string, request: ImportRequest, by: string) =>
      begin(channel, (tx) => importFolder(tx, channel, request, by)),
    setExtra: (channel: string, extra: PassedThrough, by: string) =>
      begin(channel, (tx) => setExtra(tx, channel, extra, by)),
    allowances: (repo?: string) => allowances(store, repo),
    allow: (request: AllowanceRequest, by: string) =>
      store.write((tx) => setAllowance(tx, request, by)),
    transfer: (name: string, repo: string) => store.write((tx) => transferName(tx, name, repo)),
  };
}

async function create(
  tx: Tx,
  request: CreateChannelRequest,
  by: string,
): Promise<string | undefined | Refused> {
  const { name, expireDays } = request;
  if (isReserved(name)) {
    const hint =
      "Names with `pr-` and `build-` are Tatara's own; `keys` and `….repo` are addresses.";
    return refused(400, `A channel cannot be called ${name}.`, hint);
  }
  const parent = request.parent === null ? undefined : await findChannel(tx, request.parent);
  if (request.parent !== null && parent === undefined) return noSuchChannel(request.parent);
  if (parent !== undefined && isBuildChannel(parent.name)) {
    return refused(409, `${parent.name} is one build's own, and ends soon.`, "Promote from it.");
  }
  if (parent !== undefined && parent.parent !== null) {
    const hint = `Fork ${parent.parent} instead.`;
    return refused(409, `${parent.name} is a fork itself, and has no forks of its own.`, hint);
  }
  // What suits the parent suits its copy, but for what would make or end channels by itself.
  const inherited = parent === undefined ? {} : { ...parent.settings, branchChannels: null };
  const from = parent && { name: parent.name, number: parent.head };
  const isNew = await insertChannel(tx, {
    name,
    settings: merged(channelSettings.parse(inherited), request.settings),
    ...(from === undefined ? {} : { parent: from }),
    ...(expireDays === null ? {} : { expiresAt: tx.now() + expireDays * DAY_MS }),
  });
  if (!isNew) {
    return refused(409, `There is a channel ${name} already.`, "Choose another name.");
  }
  return from === undefined ? undefined : await requestCopy(tx, name, from, by);
}

function isReserved(name: string): boolean {
  return name === "keys" || name.endsWith(".repo") || /^(?:pr|build)-/.test(name);
}

function merged(settings: ChannelSettings, patch: SettingsPatch): ChannelSettings {
  const retention = { ...settings.retention, ...patch.retention };
  return channelSettings.parse({ ...settings, ...patch, retention });
}

async function patch(
  tx: Tx,
  name: string,
  { settings: wish, expireDays }: PatchChannelRequest,
  by: string,
): Promise<string | undefined | Refused> {
  const channel = await findChannel(tx, name);
  if (channel === undefined) return noSuchChannel(name);
  if (expireDays != null && isFirstChannel(name)) {
    return refused(409, `${name} does not expire.`, "Leave `expireDays` out.");
  }
  if (wish.branchChannels != null && channel.parent !== null) {
    const hint = `Set it for ${channel.parent} instead.`;
    return refused(409, `${name} is a fork itself, and has no forks of its own.`, hint);
  }
  const settings = merged(channel.settings, wish);
  const days = expireDays === undefined ? {} : { expiresAt: expiryOf(tx, expireDays) };
  await updateSettings(tx, name, { settings, ...days });
  const isOther =
    settings.compression !== channel.settings.compression ||
    settings.layers !== channel.settings.layers;
  if (!isOther || channel.head === 0) return undefined;
  const edit = { channel: name, add: [], remove: [], advisories: [], extras: [], rewrite: true };
  return await requestChange(tx, {
    kind: "edit",
    request: { edits: [edit], yank: null },
    channels: [name],
    by,
    note: "settings changed",
  });
}

function expiryOf(tx: Tx, days: number | null): number | null {
  return days === null ? null : tx.now() + days * DAY_MS;
}

/** What waited to publish to it has failed. */
async function remove(tx: Tx, name: string): Promise<readonly Changed[] | Refused> {
  if (isFirstChannel(name)) {
    return refused(409, `${name} cannot be deleted.`, "Every server has dev, testing and stable.");
  }
  const deleted = await deleteChannel(tx, name);
  if (deleted.kind === "not-found") return noSuchChannel(name);
  if (deleted.kind === "has-children") {
    const hint = `Delete ${deleted.children.join(", ")} first.`;
    return refused(409, `${name} has forks.`, hint);
  }
  return deleted.changes;
}

async function importFolder(
  tx: Tx,
  channel: string,
  { note, ...request }: ImportRequest,
  by: string,
): Promise<string | Refused> {
  if ((await findChannel(tx, channel)) === undefined) return noSuchChannel(channel);
  return await requestChange(tx, {
    kind: "import",
    request: { channel, ...request },
    channels: [channel],
    by,
    note,
  });
}

const HINT_OF_EXTRA = {
  group: "Send a comps.xml, such as `createrepo_c --groupfile` takes.",
  modules: "Send a modules.yaml, such as `modifyrepo_c` takes.",
} as const;

async function setExtra(
  tx: Tx,
  channel: string,
  extra: PassedThrough,
  by: string,
): Promise<string | Refused> {
  const problem = extra.text === null ? undefined : problemOfExtra(extra.type, extra.text);
  if (problem !== undefined) {
    return refused(422, `The file is broken: ${problem}.`, HINT_OF_EXTRA[extra.type]);
  }
  const found = await findChannel(tx, channel);
  if (found === undefined) return noSuchChannel(channel);
  const edit = { channel, add: [], remove: [], advisories: [], extras: [extra], rewrite: false };
  return await requestChange(tx, {
    kind: "edit",
    request: { edits: [edit], yank: null },
    channels: [channel],
    by,
    note: `${extra.type} of ${extra.target}`,
  });
}

async function setAllowance(
  tx: Tx,
  { isAllowed, ...wish }: AllowanceRequest,
  by: string,
): Promise<{ readonly isAllowed: boolean }> {
  if (isAllowed) await allow(tx, { ...wish, by });
  else {
    const known = await allowances(tx, wish.repo);
    const same = known.filter(
      ({ rule, subject }) => rule === wish.rule && subject === wish.subject,
    );
    for (const { id } of same) await disallow(tx, id);
  }
  return { isAllowed };
}
