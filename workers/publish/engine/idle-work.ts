import { utimes } from "node:fs/promises";
import type { ChannelSettings } from "../../../src/shared/channel-settings.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type { SegmentRef, TargetState } from "../../../src/yum/target-state.ts";
import type { Assembler } from "./assembler.ts";
import { foldListing, joinGroup, wantsFold, withJoined } from "./fold-listing.ts";
import { overlapEnd, withoutOverlap } from "./fold-overlap.ts";
import type { JoinedSegments } from "./listing.ts";
import { viewsOf } from "./make-views.ts";
import { joinable } from "./segment-plan.ts";

/** What is done between publishes so that the next need not do it. */
export interface IdleWork {
  readonly joined: JoinedSegments;
  /** Whether the next publish may list this segment, which no generation lists yet. */
  uses(segmentId: string): boolean;
  prepare(live: Live): void;
  settled(): Promise<void>;
  close(): void;
}

interface IdleDeps {
  readonly layout: YumLayout;
  readonly assembler: Assembler;
  readonly logger: Logger;
  readonly now: () => number;
}

/** A target as the next publish will find it. */
interface Live {
  readonly channel: string;
  readonly target: string;
  readonly state: TargetState;
  readonly settings: ChannelSettings;
}

/** Numbers of packages that are prepared: a publish adds one, mostly. */
const AHEAD = 8;
const JOINED_MAX = 4_096;
/** What a timer can wait at most. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export function openIdleWork({ layout, assembler, logger, now }: IdleDeps): IdleWork {
  const made = new Map<string, SegmentRef>();
  const waiting = new Map<string, Live>();
  /** By target: wakes when its overlap ends, for the next publish may fold again then. */
  const timers = new Map<string, NodeJS.Timeout>();
  const joined: JoinedSegments = {
    find: async (segments) => {
      const whole = made.get(keyOf(segments));
      return whole && (await isThere(layout.segment(whole.id))) ? whole : undefined;
    },
    set: (segments, whole) => {
      made.set(keyOf(segments), whole);
      for (const oldest of made.keys()) {
        if (made.size <= JOINED_MAX) return;
        made.delete(oldest);
      }
    },
  };
  const deps = { layout, assembler, joined };
  let working: Promise<void> | undefined;
  let isClosed = false;

  const prepareOne = async (of: string, live: Live): Promise<void> => {
    const { channel, state, settings } = live;
    const open = state.segments.slice(state.baseSegments);
    for (const group of joinable(open, { whole: false })) await joinGroup(deps, state, group, true);
    const end = await overlapEnd(layout, { channel, state }, settings);
    const waitMs = end === undefined ? 0 : end - now();
    if (waitMs > 0) wakeAfter(waitMs, of, live);
    const listing = waitMs > 0 ? state : withoutOverlap(state);
    const isFolding = settings.layers === "auto" && wantsFold(listing, 1);
    const next = isFolding
      ? await foldListing(deps, listing, new Map(), true)
      : await withJoined(deps, listing);
    const { compression } = next;
    for (const { name, segments, packages, hasTail } of viewsOf(next)) {
      // A new base gets no package that is not listed yet; the one that is served stays as it is.
      if (name === "base" && !isFolding) continue;
      const numbers =
        name === "base" ? { from: packages, ahead: 1 } : { from: packages + 1, ahead: AHEAD };
      const tail = hasTail ? next.tail : [];
      await assembler.prepare({ view: `${of} ${name}`, compression, segments, tail, ...numbers });
    }
  };
  const wakeAfter = (ms: number, of: string, live: Live): void => {
    const wake = (): void => {
      timers.delete(of);
      if (!waiting.has(of)) want(live);
    };
    clearTimeout(timers.get(of));
    if (!isClosed) timers.set(of, setTimeout(wake, Math.min(ms, TIMER_MS_MAX)).unref());
  };
  const work = async (): Promise<void> => {
    for (const [of, live] of waiting) {
      if (isClosed) return;
      waiting.delete(of);
      await prepareOne(of, live).catch((err: unknown) => {
        if (!isClosed) logger.warn({ err, target: of }, "The next publish could not be prepared.");
      });
    }
  };
  const start = (): void => {
    working ??= work().finally(() => {
      working = undefined;
      if (waiting.size > 0 && !isClosed) start();
    });
  };
  const want = (live: Live): void => {
    const of = `${live.channel} ${live.target}`;
    clearTimeout(timers.get(of));
    timers.delete(of);
    waiting.set(of, live);
    start();
  };

  const settled = async (): Promise<void> => {
    if (working === undefined) return await assembler.settled(null);
    await working;
    await settled();
  };

  return {
    joined,
    uses: (segmentId) => [...made.values()].some(({ id }) => id === segmentId),
    prepare: (live) => want(live),
    settled,
    close: () => {
      isClosed = true;
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}

/** Then it counts as young again, for whoever sweeps. */
async function isThere(folder: string): Promise<boolean> {
  const now = new Date();
  return await utimes(folder, now, now).then(
    () => true,
    () => false,
  );
}

function keyOf(segments: readonly SegmentRef[]): string {
  return segments.map(({ id }) => id).join(" ");
}
