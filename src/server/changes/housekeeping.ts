import { isFirstChannel } from "../../domain/channel.ts";
import type { Logger } from "../../shared/logger.ts";
import type { Announcer } from "../announcer.ts";
import type { Changed } from "../store/builds.ts";
import { isWaiting, lastAskedAt } from "../store/change-reads.ts";
import { channelNames, expiredChannels } from "../store/channels.ts";
import { askedChange, deleteChannel, findChannel, requestChange } from "../store/changes.ts";
import type { Store, Tx } from "../store/store.ts";
import type { Changes } from "./changes.ts";
import { isRefused } from "./refused.ts";

/** Between two looks; what is due then is done, so nothing is late by more than this. */
const TICK_MS = 10 * 60_000;
const DAY_MS = 24 * 3_600_000;
const DAILY_SWEEP = { kind: "sweep", by: "sweep" } as const;

export interface Housekeeping {
  /** What is due: expired channels, and once a day retention and sweep. */
  tidy(): Promise<void>;
  /** Deletes what no client can need any more, or tells what it would delete; the publish's id. */
  sweep(wish: { readonly by: string; readonly dryRun: boolean }): Promise<string>;
  close(): void;
}

/** The server's own changes of channels: each waits at most once, and each may run twice. */
export function startHousekeeping(deps: {
  readonly store: Store;
  readonly changes: Changes;
  readonly announcer: Announcer;
  readonly logger: Logger;
}): Housekeeping {
  const { store, announcer, logger } = deps;
  let isTidying = false;

  const sweep: Housekeeping["sweep"] = async (wish) => {
    const publishId = await store.write((tx) => requestSweep(tx, wish));
    announcer.announce(askedChange(publishId, []));
    return publishId;
  };
  const tidy = async (): Promise<void> => {
    for (const { name, changes } of await store.write(expire)) {
      logger.info({ channel: name }, "Channel expired");
      changes.forEach(announcer.announce);
    }
    // On record, so that a server that is restarted every night tidies as well.
    const sweptAt = await lastAskedAt(store, DAILY_SWEEP);
    if (sweptAt !== undefined && store.now() - sweptAt < DAY_MS) return;
    await retainAll(deps);
    if (!(await isWaiting(store, DAILY_SWEEP))) await sweep({ by: "sweep", dryRun: false });
  };

  const timer = setInterval(() => {
    if (isTidying) return;
    isTidying = true;
    tidy()
      .catch((err: unknown) => logger.warn({ err }, "Channels could not be tidied"))
      .finally(() => {
        isTidying = false;
      });
  }, TICK_MS);
  timer.unref();
  return { tidy, sweep, close: () => clearInterval(timer) };
}

interface Expired {
  readonly name: string;
  readonly changes: readonly Changed[];
}

/** Deletes channels whose time is over. */
async function expire(tx: Tx): Promise<readonly Expired[]> {
  const expired: Expired[] = [];
  // Each build that was verified has one, so all are not looked at one by one.
  for (const name of await expiredChannels(tx)) {
    if (isFirstChannel(name)) continue;
    // One with forks waits until they are gone.
    const deleted = await deleteChannel(tx, name);
    if (deleted.kind === "deleted") expired.push({ name, changes: deleted.changes });
  }
  return expired;
}

async function retainAll({
  store,
  changes,
  logger,
}: {
  readonly store: Store;
  readonly changes: Changes;
  readonly logger: Logger;
}): Promise<void> {
  for (const channel of await channelNames(store)) {
    const settings = (await findChannel(store, channel))?.settings.retention;
    if (settings?.keepVersions == null && settings?.maxAgeDays == null) continue;
    if (await isWaiting(store, { kind: "edit", by: "retention", channel })) continue;
    const note = "daily retention";
    const asked = await changes.ask({ kind: "retain", channel, note }, "retention");
    if (isRefused(asked)) logger.warn({ channel, reason: asked.error }, "Retention was refused");
    else if (asked !== undefined) logger.info({ channel, publishId: asked }, "Retention asked for");
  }
}

async function requestSweep(
  tx: Tx,
  { by, dryRun }: { readonly by: string; readonly dryRun: boolean },
): Promise<string> {
  return await requestChange(tx, {
    kind: "sweep",
    request: { dryRun, plan: null },
    channels: [],
    by,
    note: dryRun ? "dry run" : "",
  });
}
