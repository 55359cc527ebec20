import { utimes } from "node:fs/promises";
import type { Logger } from "../../../src/shared/logger.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type { SegmentRef, TargetState } from "../../../src/yum/target-state.ts";
import type { Assembler } from "./assembler.ts";
import type { ChannelState } from "./bases.ts";
import { foldListing, joinGroup, packagesOf, wantsFold, withJoined } from "./listing.ts";
import type { JoinedSegments } from "./listing.ts";
import { viewsOf } from "./make-views.ts";
import { joinable } from "./segment-plan.ts";

/** What is done between publishes so that the next need not do it. */
export interface IdleWork {
  readonly joined: JoinedSegments;
  /** Whether the next publish may list this segment, which no generation lists yet. */
  uses(segmentId: string): boolean;
  /** Of the targets that this generation changed. */
  prepare(state: ChannelState, layers: "auto" | "off"): void;
  settled(): Promise<void>;
  close(): void;
}

interface IdleDeps {
  readonly layout: YumLayout;
  readonly assembler: Assembler;
  readonly logger: Logger;
}

/** Numbers of packages that are prepared: a publish adds one, mostly. */
const AHEAD = 8;
const JOINED_MAX = 4_096;

export function openIdleWork({ layout, assembler, logger }: IdleDeps): IdleWork {
  const made = new Map<string, SegmentRef>();
  const waiting = new Map<
    string,
    { readonly listing: TargetState; readonly layers: "auto" | "off" }
  >();
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

  const prepareOne = async (of: string, state: TargetState, layers: "auto" | "off") => {
    const open = state.segments.slice(state.baseSegments);
    for (const group of joinable(open, { whole: false })) await joinGroup(deps, state, group, true);
    const isFolding = layers === "auto" && wantsFold(state, 1);
    const next = isFolding
      ? await foldListing(deps, state, new Map(), true)
      : await withJoined(deps, state);
    const { compression } = next;
    for (const { name, segments } of viewsOf(next)) {
      const packages = packagesOf({ segments, tail: name === "base" ? [] : next.tail });
      // A new base gets no package that is not listed yet; the one that is served stays as it is.
      if (name === "base" && !isFolding) continue;
      const numbers =
        name === "base" ? { from: packages, ahead: 1 } : { from: packages + 1, ahead: AHEAD };
      await assembler.prepare({ view: `${of} ${name}`, compression, segments, ...numbers });
    }
  };
  const work = async (): Promise<void> => {
    for (const [of, { listing, layers }] of waiting) {
      if (isClosed) return;
      waiting.delete(of);
      await prepareOne(of, listing, layers).catch((err: unknown) => {
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

  const settled = async (): Promise<void> => {
    if (working === undefined) return await assembler.settled(null);
    await working;
    await settled();
  };

  return {
    joined,
    uses: (segmentId) => [...made.values()].some(({ id }) => id === segmentId),
    prepare: ({ channel, number, targets }, layers) => {
      for (const [target, { made, state }] of targets) {
        if (made === number) waiting.set(`${channel} ${target}`, { listing: state, layers });
      }
      start();
    },
    settled,
    close: () => {
      isClosed = true;
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
