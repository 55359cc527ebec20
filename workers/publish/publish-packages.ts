import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isChannelName } from "../../src/domain/channel.ts";
import { InfraFault } from "../../src/domain/faults.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import type { PublishDoneMessage } from "../../src/shared/publish-messages.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import { clearAway } from "./clear-away.ts";
import { prepareBuild } from "./kinds/build.ts";
import { prepareEdit } from "./kinds/edit.ts";
import { prepareImport } from "./kinds/import.ts";
import { prepareRestore } from "./kinds/restore.ts";
import { sweep } from "./kinds/sweep.ts";
import type { Prepared } from "./prepared.ts";
import type { Publish, PublishDeps } from "./publish-context.ts";
import { startStopwatch } from "./stopwatch.ts";
import { tellEnd } from "./tell-end.ts";
import type { Outcome } from "./turns.ts";

/**
 * Does what was granted. When it resolves, the server was told how it ended. Never rejects.
 * `onPrepared` is called once it only waits for its turn, or has ended.
 */
export async function publishPackages(
  grant: PublishGrant,
  deps: PublishDeps,
  signal: AbortSignal,
  onPrepared: () => void,
): Promise<void> {
  const folder = join(deps.layout.staging, `${grant.publishId}-${grant.lease.attempt}`);
  const hold = deps.held.open();
  const publish = { ...deps, grant, folder, hold, stopwatch: startStopwatch() };
  try {
    await mkdir(folder, { mode: 0o700 });
    await publishGranted(publish, signal, onPrepared);
  } catch (err) {
    await tellEnd(err, publish, signal);
  } finally {
    hold.release();
    await clearAway(folder, deps.logger);
    onPrepared();
  }
}

/** Prepare → wait for a turn → live. A sweep makes nothing live. */
async function publishGranted(
  publish: Publish,
  signal: AbortSignal,
  onPrepared: () => void,
): Promise<void> {
  const { grant, turns } = publish;
  refuseStrangers(grant);
  if (grant.kind === "sweep") {
    const report = await sweep({ ...publish, grant }, signal);
    return await tellDone(publish, report, signal);
  }
  const prepared = await prepare(publish, signal);
  onPrepared();
  const outcome = await settleBoth(prepared.storing, turns.join({ publish, prepared, signal }));
  if (outcome.kind === "failed") throw outcome.err;
  if (outcome.kind === "unchanged") return await tellDone(publish, ["Nothing changed."], signal);
  logEnd(outcome, prepared, publish);
}

async function prepare(publish: Publish, signal: AbortSignal): Promise<Prepared> {
  const { grant } = publish;
  switch (grant.kind) {
    case "build":
      return await prepareBuild({ ...publish, grant }, signal);
    case "edit":
      return await prepareEdit({ ...publish, grant });
    case "restore":
      return prepareRestore(grant);
    case "import":
      return await prepareImport({ ...publish, grant }, signal);
    case "sweep":
      throw new TypeError("A sweep has no turn.");
  }
}

/** Names become paths. */
function refuseStrangers(grant: PublishGrant): void {
  const stranger = channelNames(grant).find((name) => !isChannelName(name));
  if (stranger === undefined) return;
  throw new InfraFault("PUBLISH_FAILED", `There is no channel "${stranger}".`);
}

function channelNames(grant: PublishGrant): readonly string[] {
  switch (grant.kind) {
    case "build":
      return grant.channels.map(({ name }) => name);
    case "edit":
      return grant.edits.map(({ channel }) => channel.name);
    case "restore":
      return [grant.channel.name, grant.from.channel];
    case "import":
      return [grant.channel.name];
    case "sweep":
      return grant.keep.map(({ channel }) => channel);
  }
}

async function tellDone(
  { server, grant, stopwatch, logger }: Publish,
  report: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const durationMs = stopwatch.elapsedMs();
  const json: PublishDoneMessage = { durationMs, report: report.slice(0, REPORT_LINES_MAX) };
  const path = PATHS.publishDone(grant.publishId);
  await server.send({ path, leaseToken: grant.lease.token, json }, signal);
  logger.info({ publishId: grant.publishId, kind: grant.kind, durationMs }, "Publish ended");
}

const REPORT_LINES_MAX = 10_000;

function logEnd(outcome: Outcome, { packages }: Prepared, publish: Publish): void {
  const { grant, stopwatch, logger } = publish;
  const { kind, publishId } = grant;
  const buildId = grant.kind === "build" ? grant.build.id : undefined;
  const figures = { durationMs: stopwatch.elapsedMs(), waterfall: stopwatch.laps() };
  const { kind: end, ...made } = outcome;
  const facts = { publishId, kind, buildId, end, ...made, packages: packages.length };
  logger.info({ ...facts, ...figures }, "Publish ended");
}

/** The second's result. Both have ended when it settles, so that nothing works on in a removed folder. */
async function settleBoth<T>(first: Promise<unknown>, second: Promise<T>): Promise<T> {
  const [, settled] = await Promise.allSettled([first, second]);
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}
