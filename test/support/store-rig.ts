import type { ListedAdvisory, PublishedPackage } from "../../src/shared/package-messages.ts";
import type { PlanMessage } from "../../src/shared/build-messages.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { SwitchRequest } from "../../src/shared/publish-messages.ts";
import { formatNevra, type Nevra } from "../../src/domain/nevra.ts";
import { recordPush } from "../../src/server/store/deliveries.ts";
import { claimJob, endJob } from "../../src/server/store/jobs.ts";
import { recordPlan, type ServerFacts } from "../../src/server/store/plans.ts";
import { requestChange, type ChangeWish } from "../../src/server/store/changes.ts";
import { switchPublishes } from "../../src/server/store/publish-switch.ts";
import { claimPublish } from "../../src/server/store/publishes.ts";
import type { Store } from "../../src/server/store/store.ts";
import { aPackageStep, aPipeline, aPlanMessage, aRule, aTest } from "./a-pipeline.ts";
import { aPush, anIntake } from "./a-store.ts";

export const LIMITS = { waitingBuildsMax: 1_000 };
export const TARGET = "debian12.x86_64";

/** One job: `checkout`, `image`, `test`, `package`. */
export const PLAN: PlanMessage = aPlanMessage(
  aPipeline({ tests: [aTest()], packages: [aPackageStep()], publish: [aRule()] }),
);

export const SERVER: ServerFacts = {
  defaultTarget: TARGET,
  targets: [TARGET, "el9.x86_64", "el10.x86_64", "el9.aarch64"],
  secrets: [],
};

export const RPM = {
  fileName: "a-1-1.noarch.rpm",
  sha256: "1".repeat(64),
  sizeBytes: 10,
  target: TARGET,
};

export const accept = (store: Store, push = aPush(), named = {}) =>
  store.write((tx) => recordPush(tx, anIntake(push, named), LIMITS));

/** A push whose first job is claimed under `token`, planned or not. */
export async function aRunningJob(
  store: Store,
  { token = "token-1", isPlanned = true, push = aPush(), plan = PLAN } = {},
) {
  const { made } = await accept(store, push);
  const granted = await store.write((tx) => claimJob(tx, "w1", token));
  if (made === undefined || granted === undefined) throw new Error("Nothing was granted.");
  const jobId = granted.job.id;
  if (isPlanned) await store.write((tx) => recordPlan(tx, { jobId, token }, plan, SERVER));
  return { buildId: made.build.id, jobId, token };
}

export function passed() {
  return { state: "passed" as const, reason: null, failure: null, packages: [RPM] };
}

/** A build whose jobs have passed, so that its packages wait to be published to `dev`. */
export async function aQueuedPublish(store: Store, push = aPush()) {
  const job = await aRunningJob(store, { push });
  await store.write((tx) => endJob(tx, job.jobId, job.token, passed()));
  const { id } = await store.db
    .selectFrom("publishes")
    .select("id")
    .where("buildId", "=", job.buildId)
    .executeTakeFirstOrThrow();
  return { ...job, publishId: id };
}

export async function aRunningPublish(store: Store, token = "p-token", push = aPush()) {
  const queued = await aQueuedPublish(store, push);
  const grant = await claim(store, token);
  return { ...queued, token, grant };
}

export async function claim(store: Store, token: string): Promise<PublishGrant> {
  const { grant } = await store.write((tx) => claimPublish(tx, "p1", token));
  if (grant === undefined) throw new Error("No publish was granted.");
  return grant;
}

/** A package as the publish worker tells of it; its content follows from its name unless given. */
export function aPackage(
  some: Partial<Nevra> & {
    readonly content?: string;
    readonly targets?: readonly string[];
  } = {},
): PublishedPackage {
  const { content, targets, ...parts } = some;
  const nevra = { name: "a", epoch: 0, version: "1", release: "1", arch: "noarch", ...parts };
  const text = formatNevra(nevra);
  return {
    nevra,
    summary: `Summary of ${nevra.name}`,
    license: "MIT",
    unsignedSha256: content ?? digest(text),
    signedSha256: digest(`signed ${content ?? text}`),
    sizeBytes: 12,
    fileName: `${text}.rpm`,
    sourceRpm: "",
    buildTime: 1,
    targets: [...(targets ?? [TARGET])],
  };
}

/** 64 hex digits, another for every text; nobody needs it to be hard. */
function digest(text: string): string {
  return Buffer.from(text).toString("hex").padStart(64, "0").slice(-64);
}

export interface SwitchWish {
  readonly publishId: string;
  readonly token: string;
  readonly base: number;
  readonly channel?: string;
  readonly packages?: readonly PublishedPackage[];
  readonly advisories?: readonly ListedAdvisory[];
  /** Target → how many it lists; 1 of `TARGET` unless given. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** A switch of one publish and one channel to the next number. */
export function switchOf(wish: SwitchWish): SwitchRequest {
  const number = wish.base + 1;
  const counts = wish.counts ?? { [TARGET]: 1 };
  return {
    generations: [
      {
        channel: wish.channel ?? "dev",
        base: wish.base,
        number,
        targets: Object.fromEntries(Object.keys(counts).map((target) => [target, number])),
        counts,
      },
    ],
    publishes: [
      {
        publishId: wish.publishId,
        leaseToken: wish.token,
        packages: [...(wish.packages ?? [aPackage({})])],
        advisories: [...(wish.advisories ?? [])],
        warnings: [],
        durationMs: 80,
      },
    ],
    keyFingerprint: "AA",
  };
}

export const switchTo = (store: Store, wish: SwitchWish) =>
  store.write((tx) => switchPublishes(tx, switchOf(wish)));

export async function headOf(store: Store, channel: string): Promise<number> {
  const row = await store.db
    .selectFrom("channels")
    .select("head")
    .where("name", "=", channel)
    .executeTakeFirstOrThrow();
  return row.head;
}

let tokens = 0;

/** A whole push of a repo, published to `dev`. */
export async function publish(
  store: Store,
  packages: readonly PublishedPackage[],
  { repo = "acme/hello", advisories = [] as readonly ListedAdvisory[] } = {},
) {
  const token = `publish-${(tokens += 1)}`;
  const base = await headOf(store, "dev");
  const { publishId, buildId } = await aRunningPublish(store, token, aPush({ repo }));
  const wish = { publishId, token, base, packages, advisories };
  const { answer } = await switchTo(store, wish);
  if (answer.kind !== "live") throw new Error(`Not live: ${JSON.stringify(answer)}`);
  return { publishId, buildId, number: base + 1 };
}

/** Asks for a change of one channel and makes it live. */
export async function change(store: Store, wish: ChangeWish, counts?: Record<string, number>) {
  const [channel = "dev"] = wish.channels;
  const token = `change-${(tokens += 1)}`;
  const publishId = await store.write((tx) => requestChange(tx, wish));
  const grant = await claim(store, token);
  const base = await headOf(store, channel);
  const live = { publishId, token, base, channel, packages: [], ...(counts ? { counts } : {}) };
  const { answer } = await switchTo(store, live);
  return { publishId, grant, answer, number: base + 1 };
}
