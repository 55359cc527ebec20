import { openOutbound } from "../../src/shared/outbound.ts";
import { openBaseRepositories } from "../../src/yum/base-repositories/base-repositories.ts";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { formatNevra, type Nevra } from "../../src/domain/nevra.ts";
import { channelActions, type ChannelActions } from "../../src/server/changes/channel-actions.ts";
import { openChanges, type Changes } from "../../src/server/changes/changes.ts";
import { startHousekeeping, type Housekeeping } from "../../src/server/changes/housekeeping.ts";
import type { Announcer } from "../../src/server/announcer.ts";
import { makeReady, type Changed } from "../../src/server/store/builds.ts";
import { listedIn, updateSettings } from "../../src/server/store/changes.ts";
import { findChannel } from "../../src/server/store/channels.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { recordPlan } from "../../src/server/store/plans.ts";
import { switchPublishes } from "../../src/server/store/publish-switch.ts";
import { claimPublish, donePublish } from "../../src/server/store/publishes.ts";
import { readStore } from "../../src/server/store/read.ts";
import type { Store } from "../../src/server/store/store.ts";
import type { ChannelSettings } from "../../src/shared/channel-settings.ts";
import type { PlanMessage } from "../../src/shared/build-messages.ts";
import type { PublishedPackage } from "../../src/shared/package-messages.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import { openResolver } from "../../src/yum/resolve/resolver.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule } from "./a-pipeline.ts";
import { aPush, anIntake, aStore } from "./a-store.ts";
import { silentLogger } from "./silent-logger.ts";

/**
 * Channels as the records have them, with everything real but the publish worker: here a publish
 * moves the records at once and writes no file. Channels do not ask whether they resolve, since that
 * is read from files.
 */
export interface ChangesWorld extends AsyncDisposable {
  readonly store: Store;
  readonly changes: Changes;
  readonly actions: ChannelActions;
  readonly housekeeping: Housekeeping;
  advance(ms: number): void;
  /** A build that passed, and whose packages are live; its id. `hello-1.0-1.el9.x86_64` and so on. */
  publish(packages: readonly string[], build?: Partial<PublishedBuild>): Promise<string>;
  /** `target nevra` of all that a channel lists, sorted. */
  listed(channel: string): Promise<readonly string[]>;
  /** Grants in the order in which they were done. */
  readonly done: readonly PublishGrant[];
  /** What queues and pages were told. */
  readonly announced: readonly Changed[];
  /** While held, publishes wait. */
  hold(): void;
  release(): Promise<void>;
  settings(channel: string, settings: Partial<ChannelSettings>): Promise<void>;
}

export interface PublishedBuild {
  readonly repo: string;
  readonly ref: string;
  readonly sha: string;
  readonly target: string;
  readonly channel: string;
}

export async function changesWorld(): Promise<ChangesWorld> {
  const held = await aStore();
  const { store } = held;
  const done: PublishGrant[] = [];
  let isHeld = false;
  let working: Promise<void> = Promise.resolve();
  const work = (): Promise<void> => {
    working = working.then(() => (isHeld ? undefined : publishAll(store, done)));
    return working;
  };
  const announced: Changed[] = [];
  const announcer: Announcer = {
    announce: (changed) => {
      announced.push(changed);
      void work();
    },
  };
  const layout = yumLayout(join(held.path, "..", "yum"));
  const read = readStore(store, { liveSince: () => 0 });
  const baseRepositories = openBaseRepositories({
    declared: [],
    now: Date.now,
    get: openOutbound({ internalHosts: [] }).get,
  });
  const resolver = openResolver(layout);
  const changes = openChanges({ store, announcer, read, layout, resolver, baseRepositories });
  const housekeeping = startHousekeeping({ store, changes, announcer, logger: silentLogger });
  const settings: ChangesWorld["settings"] = async (name, wish) => {
    await store.write(async (tx) => {
      const channel = await findChannel(tx, name);
      if (channel === undefined) throw new Error(`There is no channel ${name}.`);
      await updateSettings(tx, name, { settings: { ...channel.settings, ...wish } });
    });
  };
  for (const name of ["dev", "testing", "stable"]) {
    await settings(name, { requires: "ignore", fileConflicts: "ignore" });
  }
  return {
    store,
    changes,
    actions: channelActions({ store, announcer }),
    housekeeping,
    done,
    announced,
    settings,
    advance: held.advance,
    publish: async (packages, build = {}) => {
      const buildId = await finishBuild(store, packages, build);
      await work();
      return buildId;
    },
    listed: async (channel) => {
      const rows = await listedIn(store, { channel });
      return rows.map(({ target, nevra }) => `${target} ${nevra}`).toSorted();
    },
    hold: () => {
      isHeld = true;
    },
    release: () => {
      isHeld = false;
      return work();
    },
    [Symbol.asyncDispose]: async () => {
      housekeeping.close();
      await working;
      await held[Symbol.asyncDispose]();
    },
  };
}

/** Pushes, builds and passes, as far as records tell. */
async function finishBuild(
  store: Store,
  packages: readonly string[],
  { ref = "refs/heads/main", repo = "acme/hello", target, sha, channel }: Partial<PublishedBuild>,
): Promise<string> {
  const push = aPush({
    ref,
    repo,
    // Of a forge only the default branch and tags are built.
    forge: ref.startsWith("refs/heads/") && ref !== "refs/heads/main" ? "own" : "github",
    ...(sha === undefined ? {} : { sha, after: sha }),
  });
  const limits = { waitingBuildsMax: 1_000 };
  const { made } = await store.write((tx) => recordPush(tx, anIntake(push), limits));
  if (made === undefined) throw new Error("No build was made.");
  const facts = { sha: push.after, message: "a change", authorName: "Dev One", skip: null };
  await store.write((tx) => makeReady(tx, made.build.id, facts));
  const token = `token-${made.build.id}`;
  const granted = await store.write((tx) => claimJob(tx, "w1", token));
  if (granted === undefined) throw new Error("No job was granted.");
  const jobId = granted.job.id;
  const on = target ?? "el9.x86_64";
  const server = { defaultTarget: on, targets: [], secrets: [] };
  await store.write((tx) => recordPlan(tx, { jobId, token }, planFor(channel ?? "dev"), server));
  const built = packages.map((nevra) => ({
    fileName: `${nevra.replace(/\d+:/, "")}.rpm`,
    sha256: digest(`unsigned ${nevra} ${on}`),
    sizeBytes: 10,
    target: on,
  }));
  const end = { state: "passed", reason: null, failure: null, packages: built } as const;
  await store.write((tx) => endJob(tx, jobId, token, end));
  return made.build.id;
}

function planFor(publish: string): PlanMessage {
  const publishing = [aRule({ channel: publish })];
  return aPlanMessage(aPipeline({ packages: [aPackageStep()], publish: publishing }));
}

/** What the publish worker would do, but for every file. */
async function publishAll(store: Store, done: PublishGrant[]): Promise<void> {
  for (;;) {
    const { grant } = await store.write((tx) => claimPublish(tx, "p1", "publish-token"));
    if (grant === undefined) return;
    done.push(grant);
    const { publishId } = grant;
    if (grant.kind === "sweep" || grant.kind === "import") {
      const report = { durationMs: 1, report: ["done"] };
      await store.write((tx) => donePublish(tx, publishId, "publish-token", report));
      continue;
    }
    const channels =
      grant.kind === "build"
        ? grant.channels
        : grant.kind === "edit"
          ? grant.edits.map(({ channel }) => channel)
          : [grant.channel];
    const { answer } = await store.write((tx) =>
      switchPublishes(tx, {
        generations: channels.map(({ name, head }) => ({
          channel: name,
          base: head,
          number: head + 1,
          targets: { "el9.x86_64": head + 1 },
          counts: {},
        })),
        publishes: [
          {
            publishId,
            leaseToken: "publish-token",
            packages: grant.kind === "build" ? grant.packages.map(published) : [],
            advisories: [],
            warnings: [],
            durationMs: 1,
          },
        ],
        keyFingerprint: "AA",
      }),
    );
    if (answer.kind !== "live") throw new Error(JSON.stringify(answer));
  }
}

function published(built: {
  readonly fileName: string;
  readonly sha256: string;
  readonly target: string;
}): PublishedPackage {
  const nevra = nevraOf(built.fileName.replace(/\.rpm$/, ""));
  const suffix =
    nevra.arch === "src" ? "-source" : nevra.name.endsWith("-debuginfo") ? "-debug" : "";
  return {
    nevra,
    summary: nevra.name,
    license: "MIT",
    unsignedSha256: built.sha256,
    signedSha256: digest(`signed ${formatNevra(nevra)} ${built.target}`),
    sizeBytes: 12,
    fileName: built.fileName,
    sourceRpm: "",
    buildTime: 1,
    targets: [built.target + suffix],
  };
}

function nevraOf(text: string): Nevra {
  const found = /^(.+)-([^-]+)-([^-]+)\.([^.]+)$/.exec(text);
  if (found === null) throw new Error(`${text} is no NEVRA.`);
  const [, name = "", version = "", release = "", arch = ""] = found;
  return { name, epoch: 0, version, release, arch };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
