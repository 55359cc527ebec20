import { setTimeout as delay } from "node:timers/promises";
import type { ChangePlan, ChangeRequest, ChangeResult } from "../../shared/channel-changes.ts";
import type { Refusal } from "../../shared/message-parts.ts";
import type { Announcer } from "../announcer.ts";
import { buildIdOf, nevrasOfBuilds } from "../store/change-reads.ts";
import { askedChange, findChannel, markYanked, requestChange } from "../store/changes.ts";
import type { ChangeWish } from "../store/changes.ts";
import type { Store, Tx } from "../store/store.ts";
import type { ReadStore } from "../views.ts";
import type { Intention, Read } from "./intention.ts";
import { intendPromotion, type PublishedBuild } from "./promotion.ts";
import { isRefused, refused, type Refused } from "./refused.ts";
import type { LeftBehind } from "./left-behind.ts";
import { resolutionOf, type ResolutionDeps } from "./resolution.ts";
import { intendRetention } from "./retain.ts";
import { intendRewrite } from "./rewrite.ts";
import { intendUndo } from "./undo.ts";
import { intendYank } from "./yank.ts";

export interface ChangesDeps extends ResolutionDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly read: Pick<ReadStore, "changeById">;
}

/** What people and schedules do to channels. */
export interface Changes {
  /** What would change; nothing does. */
  plan(request: ChangeRequest): Promise<ChangePlan | Refused>;
  /** Does it, and waits a while for the generation: a result that still runs can be asked for again. */
  apply(request: ChangeRequest, by: string, signal: AbortSignal): Promise<ChangeResult | Refused>;
  /** Queues it and does not wait; undefined when nothing is to be done. */
  ask(request: ChangeRequest, by: string): Promise<string | undefined | Refused>;
  find(publishId: string): Promise<ChangeResult | undefined>;
}

/** How long a request is held until the publish worker is done. */
const WAIT_MS = 15_000;
const POLL_MS = 4;
const POLL_SLOWLY_MS = 50;
const POLL_QUICKLY_MS = 500;

export function openChanges(deps: ChangesDeps): Changes {
  const find = (publishId: string) => deps.read.changeById(publishId);
  return {
    plan: async (request) => {
      const intention = await intend(deps.store, request);
      if (isRefused(intention)) return intention;
      return await planOf(deps.store, intention, await resolve(deps, intention));
    },
    ask: async (request, by) => {
      const asked = await ask(deps, request, by);
      return isRefused(asked) ? asked : asked.publishId;
    },
    apply: async (request, by, signal) => {
      const asked = await ask(deps, request, by);
      if (isRefused(asked)) return asked;
      if (asked.publishId === undefined) return await nothingDone(deps.store, asked.intention);
      return await untilEnded(asked.publishId, find, signal);
    },
    find,
  };
}

/** From the records alone: in a transaction it says what is true at the moment of asking. */
async function intend(read: Read, request: ChangeRequest): Promise<Intention | Refused> {
  switch (request.kind) {
    case "promote": {
      const build = await findBuild(read, request.build);
      return isRefused(build) ? build : await intendPromotion(read, request, build);
    }
    case "undo":
      return await intendUndo(read, request);
    case "yank":
      return await intendYank(read, request);
    case "retain":
      return await intendRetention(read, request);
    case "rewrite":
      return await intendRewrite(read, request);
  }
}

/** By `owner/name#number`. */
async function findBuild(
  read: Read,
  name: string | null,
): Promise<PublishedBuild | undefined | Refused> {
  if (name === null) return undefined;
  const [, repo = "", number = "0"] = /^([^#\s]+)#([1-9]\d{0,8})$/.exec(name) ?? [];
  const id = await buildIdOf(read, repo, Number(number));
  if (id === undefined) {
    return refused(404, `There is no build ${name}.`, "A build is owner/name#number.");
  }
  return { id, name, nevras: await nevrasOfBuilds(read, [id]) };
}

interface Asked {
  readonly intention: Intention;
  readonly publishId: string | undefined;
}

async function ask(
  deps: ChangesDeps,
  request: ChangeRequest,
  by: string,
): Promise<Asked | Refused> {
  const { store, announcer } = deps;
  if (request.kind === "promote" && !request.force) {
    const before = await intend(store, request);
    const { problems } = isRefused(before) ? NOTHING_FOUND : await resolve(deps, before);
    if (problems.length > 0) return doesNotResolve(request.to, problems);
  }
  const asked = await store.write(async (tx): Promise<Asked | Refused> => {
    // Worked out again, since the channel may have moved meanwhile.
    const intention = await intend(tx, request);
    if (isRefused(intention)) return intention;
    return { intention, publishId: await record(tx, intention, by, request.note) };
  });
  if (!isRefused(asked) && asked.publishId !== undefined) {
    announcer.announce(askedChange(asked.publishId, asked.intention.channels));
  }
  return asked;
}

async function record(
  tx: Tx,
  { ask, atOnce, channels, title }: Intention,
  by: string,
  note: string,
): Promise<string | undefined> {
  if (atOnce !== null) await markYanked(tx, atOnce.nevras, atOnce);
  if (ask === null) return undefined;
  // The history of a channel shows it: what was done, then why.
  const told = note === "" ? title : `${title}; ${note}`;
  return await requestChange(tx, { ...ask, by, note: told, channels } as ChangeWish);
}

function doesNotResolve(channel: string, problems: readonly Refusal[]): Refused {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  return {
    ...refused(
      422,
      `${channel} would not resolve: ${first?.message ?? ""}${more}`,
      `${first?.hint ?? ""} Or say \`force\`.`.trim(),
      first?.code,
    ),
    problems,
  };
}

const NOTHING_FOUND: LeftBehind = { problems: [], warnings: [] };

async function resolve(deps: ChangesDeps, { kind, edits }: Intention): Promise<LeftBehind> {
  // What undo brings back resolved before, and what retention takes is not the newest of anything.
  if (kind !== "promote" && kind !== "yank") return NOTHING_FOUND;
  const found: LeftBehind[] = [];
  for (const edit of edits) found.push(await resolutionOf(deps.store, edit, deps));
  return {
    problems: found.flatMap(({ problems }) => problems),
    warnings: found.flatMap(({ warnings }) => warnings),
  };
}

async function planOf(
  read: Read,
  intention: Intention,
  { problems, warnings }: LeftBehind,
): Promise<ChangePlan> {
  const { kind, title, edits, confirm } = intention;
  return {
    kind,
    title,
    channels: await headsOf(read, intention.channels),
    add: edits.flatMap(({ channel, add }) => add.map((line) => ({ channel, ...line }))),
    remove: edits.flatMap(({ channel, remove }) => remove.map((line) => ({ channel, ...line }))),
    problems: [...problems],
    warnings: [...intention.warnings, ...warnings],
    confirm,
  };
}

async function headsOf(read: Read, names: readonly string[]) {
  const channels = await Promise.all(names.map((name) => findChannel(read, name)));
  return channels.flatMap((channel) =>
    channel === undefined ? [] : [{ name: channel.name, head: channel.head }],
  );
}

/** All was as wished already: the answer is the same as after doing it. */
async function nothingDone(read: Read, { channels, title }: Intention): Promise<ChangeResult> {
  const heads = await headsOf(read, channels);
  const generations = heads.map(({ name, head }) => ({ channel: name, number: head }));
  return {
    publishId: null,
    state: "live",
    generations: generations.filter(({ number }) => number > 0),
    durationMs: 0,
    reason: null,
    report: [title],
  };
}

const isUnderWay = ({ state }: ChangeResult): boolean => state === "queued" || state === "running";

async function untilEnded(
  publishId: string,
  find: Changes["find"],
  signal: AbortSignal,
): Promise<ChangeResult> {
  const until = performance.now() + WAIT_MS;
  for (let pauseMs = POLL_MS; ;) {
    const result = await find(publishId);
    if (result === undefined) throw new Error(`Publish ${publishId} is not on record.`);
    const leftMs = until - performance.now();
    if (!isUnderWay(result) || leftMs <= 0 || signal.aborted) return result;
    if (leftMs < WAIT_MS - POLL_QUICKLY_MS) pauseMs = POLL_SLOWLY_MS;
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
