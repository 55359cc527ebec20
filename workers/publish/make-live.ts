import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { Stopped } from "../../src/domain/stop.ts";
import type { SwitchAnswer } from "../../src/shared/publish-messages.ts";
import type { StagedGeneration } from "./engine/engine.ts";
import { clearAway } from "./clear-away.ts";
import { mergeChanges } from "./merge-changes.ts";
import type { PublishDeps } from "./publish-context.ts";
import { switchChannels } from "./switch-channels.ts";
import type { Announced } from "./switch-channels.ts";
import type { Member, Outcome } from "./turns.ts";

/** A channel that moves on this often while we assemble has more than one publisher. */
const ROUNDS_MAX = 100;

export type MakeLiveDeps = Pick<
  PublishDeps,
  "server" | "signer" | "engine" | "heads" | "layout" | "logger"
>;

/**
 * Makes one generation of each channel concerned, for all members together, and asks the server to
 * switch to them, until it does or nobody is left. Settles every member; never rejects.
 */
export async function makeLive(members: readonly Member[], deps: MakeLiveDeps): Promise<void> {
  let left = members;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    left = withoutStopped(left);
    if (left.length === 0) return;
    const stop = whenAllStopped(left);
    const step = await tryOnce(left, deps, stop.signal);
    stop.forget();
    if (step.kind === "again") left = step.members;
    else if (step.kind === "one-by-one") {
      // Whoever is to blame must not take the others down.
      for (const member of step.members) await makeLive([member], deps);
      return;
    } else return;
  }
  const err = new InfraFault("PUBLISH_FAILED", `The channels moved ${ROUNDS_MAX} times meanwhile.`);
  settleAll(left, { kind: "failed", err });
}

type Step =
  | { readonly kind: "settled" }
  | { readonly kind: "again" | "one-by-one"; readonly members: readonly Member[] };
const SETTLED: Step = { kind: "settled" };

async function tryOnce(
  members: readonly Member[],
  deps: MakeLiveDeps,
  signal: AbortSignal,
): Promise<Step> {
  const startedMs = members.map(({ publish }) => publish.stopwatch.elapsedMs());
  const lap = (name: string): void => {
    for (const [i, { publish }] of members.entries())
      publish.stopwatch.lap(name, startedMs[i] ?? 0);
  };
  const folder = join(deps.layout.staging, `turn-${members[0]?.publish.grant.publishId}`);
  try {
    const staged = await stageAll(members, { ...deps, folder }, signal);
    lap("stage");
    if (staged.length === 0 && members.every(isToldByDone)) {
      settleAll(members, { kind: "unchanged" });
      return SETTLED;
    }
    const answer = await switchChannels(staged, members, deps, signal);
    lap("live");
    return await follow(answer, { members, staged }, deps);
  } catch (err) {
    if (members.length > 1 && !signal.aborted && !(err instanceof Stopped)) {
      return { kind: "one-by-one", members };
    }
    failAll(members, err);
    return SETTLED;
  } finally {
    await clearAway(folder, deps.logger);
  }
}

/** What the server's answer means to each. */
async function follow(
  answer: Announced,
  { members, staged }: { members: readonly Member[]; staged: readonly StagedGeneration[] },
  { engine, heads }: MakeLiveDeps,
): Promise<Step> {
  if (answer.kind === "unheard") {
    // Who tries at once to stage its part alone would take away what may be live.
    failAll(members, answer.err);
    return SETTLED;
  }
  if (answer.kind === "moved") {
    for (const { name, head } of answer.channels) heads.moved(name, head);
    return { kind: "again", members };
  }
  if (answer.kind === "refused") {
    const refused = new Map(answer.publishes.map((each) => [each.publishId, each]));
    const isRefused = ({ publish }: Member) => refused.has(publish.grant.publishId);
    for (const member of members.filter(isRefused)) {
      const found = refused.get(member.publish.grant.publishId);
      if (found !== undefined) member.settle(outcomeOf(found));
    }
    const others = members.filter((member) => !isRefused(member));
    // Who is refused in our place is not ours to judge, and asking again would not end.
    if (others.length === members.length) throw new InfraFault("PUBLISH_FAILED", "Refused.");
    return { kind: "again", members: others };
  }
  for (const generation of staged) {
    heads.live(generation);
    engine.adopted(generation);
  }
  const generations = staged.map(({ channel, number }) => `${channel}/${number}`);
  settleAll(members, { kind: "live", generations, together: members.length });
  return SETTLED;
}

type Refused = Extract<SwitchAnswer, { kind: "refused" }>["publishes"][number];

function outcomeOf({ why, refusal }: Refused): Outcome {
  if (why === "cancelled") return { kind: "cancelled" };
  if (why === "stale") return { kind: "failed", err: new Stopped("lease-lost") };
  const { code, message, hint } = refusal ?? {
    code: "NEVRA_TAKEN",
    message: "A package of this build was published meanwhile with other content.",
    hint: "Raise the release in the spec file; a published package never changes.",
  };
  return { kind: "failed", err: new UserFault(code, message, { hint }) };
}

/** All channels or none. A channel that lists everything already needs no new generation. */
async function stageAll(
  members: readonly Member[],
  { engine, heads, folder }: MakeLiveDeps & { readonly folder: string },
  signal: AbortSignal,
): Promise<readonly StagedGeneration[]> {
  await mkdir(folder, { recursive: true });
  const staging = mergeChanges(members).map(async ({ head, ...change }) => {
    const stagingDir = join(folder, change.channel);
    return await engine.stage(
      { ...change, head: heads.of(change.channel, head), stagingDir },
      signal,
    );
  });
  const settled = await Promise.allSettled(staging);
  const staged = settled.flatMap((each) =>
    each.status === "fulfilled" && each.value !== undefined ? [each.value] : [],
  );
  const failed = settled.find((each) => each.status === "rejected");
  if (failed === undefined) return staged;
  // What a sick disk keeps is dropped by the next try.
  await Promise.allSettled(staged.map((each) => engine.drop(each)));
  throw failed.reason;
}

/** A build that brought nothing new is live all the same, and its build has passed. */
function isToldByDone({ publish }: Member): boolean {
  return publish.grant.kind === "edit" || publish.grant.kind === "restore";
}

function withoutStopped(members: readonly Member[]): readonly Member[] {
  for (const { signal, settle } of members) {
    if (signal.aborted) settle({ kind: "failed", err: signal.reason });
  }
  return members.filter(({ signal }) => !signal.aborted);
}

/** To whoever has been stopped, that is why. */
function failAll(members: readonly Member[], err: unknown): void {
  for (const { settle, signal } of members) {
    settle({ kind: "failed", err: signal.aborted ? signal.reason : err });
  }
}

function settleAll(members: readonly Member[], outcome: Outcome): void {
  for (const { settle } of members) settle(outcome);
}

/** Work for many stops when it is work for nobody. */
function whenAllStopped(members: readonly Member[]): {
  readonly signal: AbortSignal;
  readonly forget: () => void;
} {
  const all = new AbortController();
  const look = (): void => {
    if (members.every(({ signal }) => signal.aborted)) all.abort(members[0]?.signal.reason);
  };
  for (const { signal } of members) signal.addEventListener("abort", look, { once: true });
  look();
  return {
    signal: all.signal,
    forget: () => {
      for (const { signal } of members) signal.removeEventListener("abort", look);
    },
  };
}
