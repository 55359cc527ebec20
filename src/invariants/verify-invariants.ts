import { setTimeout as delay } from "node:timers/promises";
import { checkBounds } from "./check-bounds.ts";
import { checkChannels } from "./check-channels.ts";
import { checkFences } from "./check-fences.ts";
import { checkLogs } from "./check-logs.ts";
import { checkNevras } from "./check-nevras.ts";
import { checkOrphans } from "./check-orphans.ts";
import { checkPushes } from "./check-pushes.ts";
import { checkSecrets } from "./check-secrets.ts";
import { checkStates } from "./check-states.ts";
import { checkStatuses, tellRefused } from "./check-statuses.ts";
import { keyOf } from "./finding.ts";
import type { Finding, InvariantId, Note } from "./finding.ts";
import { openRecords } from "./records.ts";
import type { Look, World } from "./world.ts";

type Checker = (look: Look) => readonly Finding[] | Promise<readonly Finding[]>;

interface Check {
  readonly invariant: InvariantId;
  readonly check: Checker;
  /** What it needs and this world may not have: then it says so instead of "kept". */
  readonly lacks?: (world: World) => string | undefined;
  /** What is worth telling although no promise is broken. */
  readonly tell?: (look: Look) => readonly Note[];
}

const CHECKS: readonly Check[] = [
  { invariant: "I1", check: checkPushes },
  { invariant: "I1", check: checkLogs },
  { invariant: "I2", check: checkStates },
  {
    invariant: "I3",
    check: checkStatuses,
    tell: tellRefused,
    lacks: ({ forges }) =>
      forges.github === undefined ? "GitHub is not asked: no credential is set" : undefined,
  },
  {
    invariant: "I4",
    check: checkOrphans,
    lacks: ({ isWorking, engine }) => {
      if (!isWorking) return "no build worker runs, which removes leftovers at its start";
      return engine === undefined ? "Docker is not asked" : undefined;
    },
  },
  { invariant: "I5", check: checkChannels },
  { invariant: "I6", check: checkNevras },
  {
    invariant: "I7",
    check: checkSecrets,
    lacks: ({ secrets }) => (secrets.length === 0 ? "no secret is known to look for" : undefined),
  },
  {
    invariant: "I8",
    check: checkBounds,
    lacks: ({ queues }) => (queues === undefined ? "Redis is not asked" : undefined),
  },
  { invariant: "I9", check: checkFences },
];

const LOOK_EVERY_MS = 1_000;

export interface Verdict {
  readonly findings: readonly Finding[];
  /** What could not be judged, or only in part, and why. */
  readonly gaps: readonly { readonly invariant: InvariantId; readonly why: string }[];
  /** Worth telling; none of it is a broken promise. */
  readonly notes: readonly Note[];
}

/**
 * Reads everything and says which promise was broken. In a Tatara that lives, a difference counts only
 * if it stays longer than an honest repair takes; so a clean one answers at once, and one with
 * differences is looked at again until they are gone or old. Changes nothing.
 */
export async function verifyInvariants(world: World): Promise<Verdict> {
  const findings: Finding[] = [];
  // One after the other: most of it is reading, and operators have other things to do on the machine.
  for (const { check } of CHECKS) findings.push(...(await lasting(world, check)));
  const gaps = CHECKS.flatMap(({ invariant, lacks }) => {
    const why = lacks?.(world);
    return why === undefined ? [] : [{ invariant, why }];
  });
  return { findings, gaps, notes: notesOf(world) };
}

function notesOf(world: World): readonly Note[] {
  using records = openRecords(world.dataDir);
  return CHECKS.flatMap(({ tell }) => tell?.({ ...world, records }) ?? []);
}

/** What one check still finds after the time that each finding may take to pass. */
async function lasting(world: World, check: Checker): Promise<readonly Finding[]> {
  const seenAt = new Map<string, number>();
  const startedAt = performance.now();
  for (;;) {
    const found = await lookOnce(world, check);
    // Nothing moves in a folder that nobody works in.
    if (!world.isServing) return found;
    const now = performance.now();
    for (const one of found) if (!seenAt.has(keyOf(one))) seenAt.set(keyOf(one), now);
    const isOld = (one: Finding): boolean => now - (seenAt.get(keyOf(one)) ?? now) >= one.settlesMs;
    const old = found.filter(isOld);
    // In a busy one there is always something young; whatever was there at first is old by then.
    const waitMs = Math.max(0, ...found.map(({ settlesMs }) => settlesMs));
    if (old.length === found.length || now - startedAt > waitMs + LOOK_EVERY_MS * 5) return old;
    await delay(LOOK_EVERY_MS, undefined, { signal: world.signal });
  }
}

async function lookOnce(world: World, check: Checker): Promise<readonly Finding[]> {
  using records = openRecords(world.dataDir);
  return await check({ ...world, records });
}
