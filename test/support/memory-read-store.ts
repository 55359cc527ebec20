import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { compareEvr } from "../../src/domain/rpm-version.ts";
import type { ChangeCause, ChangeResult } from "../../src/shared/channel-changes.ts";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import type {
  BuildView,
  ChannelView,
  GenerationView,
  JobView,
  Live,
  LogFiles,
  LogKey,
  PackageNameView,
  PackageView,
  PublishChange,
  ReadStore,
  RepoView,
  StepView,
} from "../../src/server/views.ts";

type Counts = Awaited<ReturnType<ReadStore["counts"]>>;

/** Records in memory, for tests of what is drawn from them. Change them, then tell `live`. */
export interface MemoryRecords {
  readonly builds: BuildView[];
  readonly repos: RepoView[];
  readonly channels: ChannelView[];
  /** Of all channels: each says where it is listed. */
  readonly packages: PackageView[];
  readonly changes: ChangeResult[];
  counts: Counts;
}

export function memoryRecords(): MemoryRecords {
  return {
    builds: [],
    repos: [],
    packages: [],
    changes: [],
    channels: ["dev", "testing", "stable"].map((name) => anEmptyChannel(name)),
    counts: {
      jobsQueued: 0,
      jobsRunning: 0,
      publishesWaiting: 0,
      statusesWaiting: 0,
      oldestQueuedAt: null,
      parkedForges: [],
      refusedStatuses: null,
      stuckPublishes: null,
      stuckStatuses: null,
      liveWorkers: 1,
      troubles: [],
    },
  };
}

export function memoryReadStore(records: MemoryRecords): ReadStore {
  const { builds, repos, channels, packages, changes } = records;
  const copy = <T>(value: T): Promise<T> => Promise.resolve(structuredClone(value));
  return {
    listBuilds: ({ repo, state, limit, beforeAt }) =>
      copy(
        builds
          .filter((build) => repo === undefined || build.repo === repo)
          .filter((build) => state === undefined || build.state === state)
          .filter((build) => beforeAt === undefined || build.createdAt < beforeAt)
          .toSorted((a, b) => b.createdAt - a.createdAt || b.number - a.number)
          .slice(0, limit),
      ),
    buildById: (id) => copy(builds.find((build) => build.id === id)),
    buildByNumber: (repo, number) =>
      copy(builds.find((build) => build.repo === repo && build.number === number)),
    repoByName: (name) => copy(repos.find((repo) => repo.name === name)),
    listRepos: () => copy(repos),
    listChannels: () => copy(channels.map(({ generations: _generations, ...one }) => one)),
    channelByName: (name) => copy(channels.find((channel) => channel.name === name)),
    promotionCounts: (from, to) => copy(countPromotion(packages, from.name, to.name)),
    channelPackages: ({ channel, target, ...page }) =>
      copy(
        pageOf(
          packages.filter(({ listings }) =>
            listings.some((place) => place.channel === channel && place.target === target),
          ),
          page,
        ),
      ),
    listPackages: (page) => {
      const versions = Map.groupBy(pageOf(packages, page), ({ name }) => name);
      return copy([...versions.values()].flatMap(nameView));
    },
    packagesByName: (name) =>
      copy(packages.filter((one) => one.name === name).toSorted(newestFirst)),
    packageByNevra: (nevra) => copy(packages.find((one) => one.nevra === nevra)),
    changeById: (publishId) => copy(changes.find((change) => change.publishId === publishId)),
    buildCounts: () => copy({ passed: builds.length }),
    counts: () => copy(records.counts),
  };
}

function countPromotion(packages: readonly PackageView[], from: string, to: string) {
  const newestIn = (channel: string) => {
    const listed = packages.filter(
      ({ arch, listings }) => arch !== "src" && listings.some((place) => place.channel === channel),
    );
    return Map.groupBy(listed.toSorted(newestFirst), ({ name }) => name);
  };
  const there = newestIn(to);
  const counts = { added: 0, updated: 0 };
  for (const [name, [newest]] of newestIn(from)) {
    const [before] = there.get(name) ?? [];
    if (before === undefined) counts.added += 1;
    else if (newest !== undefined && compareEvr(newest, before) > 0) counts.updated += 1;
  }
  return counts;
}

function newestFirst(a: PackageView, b: PackageView): number {
  return compareEvr(b, a);
}

/** By name, the newest first within one; a page holds so many names. */
function pageOf(
  packages: readonly PackageView[],
  page: { readonly query?: string; readonly afterName?: string; readonly limit: number },
): readonly PackageView[] {
  const found = packages
    .filter(({ name }) => name.includes(page.query ?? "") && name > (page.afterName ?? ""))
    .toSorted((a, b) => (a.name === b.name ? newestFirst(a, b) : a.name < b.name ? -1 : 1));
  const names = [...new Set(found.map(({ name }) => name))].slice(0, page.limit);
  return found.filter(({ name }) => names.includes(name));
}

function nameView(versions: readonly PackageView[]): readonly PackageNameView[] {
  const [first] = versions;
  if (first === undefined) return [];
  const { name, summary, repo, publishedAt } = first;
  const newest: Record<string, string> = {};
  for (const { epoch, version, release, listings } of versions.toReversed()) {
    const evr = `${epoch === 0 ? "" : `${epoch}:`}${version}-${release}`;
    for (const { channel } of listings) newest[channel] = evr;
  }
  return [{ name, summary, repo, publishedAt, newest }];
}

/** Logs in memory that keep the promises of `LogFiles`. */
export function memoryLogFiles(): LogFiles & { set(log: LogKey, text: string | Uint8Array): void } {
  const logs = new Map<string, Buffer>();
  const keyOf = ({ buildId, jobId, attempt, step }: LogKey): string =>
    [buildId, jobId, attempt, step].join(" ");
  const bytesOf = (log: LogKey): Buffer => logs.get(keyOf(log)) ?? Buffer.alloc(0);
  return {
    set: (log, text) => void logs.set(keyOf(log), Buffer.from(text as string)),
    append: (log, offsetBytes, bytes) => {
      const known = bytesOf(log);
      if (offsetBytes > known.length) {
        return Promise.resolve({ kind: "resend", fromBytes: known.length });
      }
      const fresh = bytes.subarray(known.length - offsetBytes);
      const whole = Buffer.concat([known, fresh]);
      logs.set(keyOf(log), whole);
      return Promise.resolve({ kind: "acknowledged", upToBytes: whole.length });
    },
    sizeOf: (log) => Promise.resolve(bytesOf(log).length),
    recent: () => Promise.resolve(undefined),
    read: (log, from, max) => Promise.resolve(bytesOf(log).subarray(from, from + max)),
    stream: (log, from) => Readable.from([bytesOf(log).subarray(from)]),
  };
}

export function memoryLive(): Live & { listeners(): number } {
  const emitter = new EventEmitter<{
    build: [string];
    publish: [PublishChange];
    log: [LogKey, number];
  }>();
  emitter.setMaxListeners(0);
  return {
    buildChanged: (buildId) => void emitter.emit("build", buildId),
    publishChanged: (change) => void emitter.emit("publish", change),
    onPublish: (listener) => {
      emitter.on("publish", listener);
      return () => void emitter.off("publish", listener);
    },
    logGrew: (log, sizeBytes) => void emitter.emit("log", log, sizeBytes),
    onBuild: (listener) => {
      emitter.on("build", listener);
      return () => void emitter.off("build", listener);
    },
    onLog: (listener) => {
      emitter.on("log", listener);
      return () => void emitter.off("log", listener);
    },
    listeners: () =>
      emitter.listenerCount("build") +
      emitter.listenerCount("publish") +
      emitter.listenerCount("log"),
  };
}

export function aBuild(some: Partial<BuildView> & { readonly createdAt: number }): BuildView {
  const number = some.number ?? 1;
  return {
    id: `bld-${number}`,
    repo: "acme/hello",
    number,
    forge: "own",
    sha: "3f2a9c1d0e8b7a6f5c4d3e2f1a0b9c8d7e6f5a4b",
    ref: "refs/heads/main",
    before: "0".repeat(40),
    message: "fix: accept an empty name",
    authorName: "Ada Example",
    pusher: "dev1",
    event: "push",
    state: "queued",
    reason: null,
    rerunOf: null,
    startedAt: null,
    endedAt: null,
    failure: null,
    defaultBranch: "main",
    cancelRequestedAt: null,
    pullRequest: null,
    params: {},
    supersededBy: null,
    compareWith: null,
    isFresh: false,
    waitReason: null,
    file: null,
    note: null,
    jobs: [],
    staging: null,
    publish: null,
    packages: [],
    artifacts: [],
    kept: [],
    tests: null,
    ...some,
  };
}

export function aJob(some: Partial<JobView> & { readonly queuedAt: number }): JobView {
  return {
    id: "job-1",
    name: some.target ?? "debian12.x86_64",
    project: "",
    kind: "build",
    target: "debian12.x86_64",
    arch: null,
    needs: [],
    state: "queued",
    reason: null,
    attempt: 1,
    startedAt: null,
    endedAt: null,
    worker: "worker-1",
    steps: [],
    ...some,
  };
}

export function aStep(some: Partial<StepView> & { readonly name: string }): StepView {
  return {
    title: some.name,
    kind: "test",
    state: "queued",
    note: null,
    startedAt: null,
    endedAt: null,
    failure: null,
    details: null,
    ...some,
  };
}

export function anEmptyChannel(name: string): ChannelView {
  return {
    name,
    head: 0,
    updatedAt: 0,
    parent: null,
    expiresAt: null,
    settings: DEFAULT_CHANNEL_SETTINGS,
    targets: [],
    generations: [],
  };
}

export function aGeneration(
  some: Partial<GenerationView> & { readonly number: number; readonly createdAt: number },
): GenerationView {
  return {
    base: some.number - 1,
    isPinned: false,
    isKept: true,
    targets: { "debian12.x86_64": some.number },
    causes: [aCause()],
    added: [],
    removed: [],
    ...some,
  };
}

/** A build of `acme/hello` that was published. */
export function aCause(some: Partial<ChangeCause> = {}): ChangeCause {
  return {
    publishId: "p-1",
    kind: "build",
    by: "push",
    note: "",
    build: { id: "bld-passed", repo: "acme/hello", number: 45 },
    ...some,
  };
}

export function aPackage(
  some: Partial<PackageView> & { readonly publishedAt: number },
): PackageView {
  const name = some.name ?? "hello";
  const version = some.version ?? "1.4.0";
  const release = some.release ?? "1.57.g3f2a9c1.debian12";
  const arch = some.arch ?? "x86_64";
  return {
    nevra: `${name}-${version}-${release}.${arch}`,
    name,
    epoch: 0,
    version,
    release,
    arch,
    summary: "Greets whoever asks",
    license: "Apache-2.0",
    sizeBytes: 18_432,
    signedSha256: "9c1e77a2b4d6".padEnd(64, "0"),
    fileName: `${name}-${version}-${release}.${arch}.rpm`,
    repo: "acme/hello",
    buildId: "bld-passed",
    buildNumber: 45,
    yanked: null,
    listings: [{ channel: "dev", target: "debian12.x86_64" }],
    ...some,
  };
}
