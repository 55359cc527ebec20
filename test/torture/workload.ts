import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../../src/domain/states.ts";
import type { BuildRow } from "../../src/server/store/schema.ts";
import type { Tatara } from "../support/start-tatara.ts";
import type { Ledger } from "./ledger.ts";
import type { Pusher } from "./pushers.ts";
import type { Random } from "./random.ts";
import { openRecords } from "./records.ts";

/** Who pushes holds back from here on, so that about six are under way: others use the machine too. */
const OPEN_MAX = 4;
/** Reruns have room of their own, or there would never be one. */
const OPEN_WITH_RERUNS_MAX = 6;
const LOOK_EVERY_MS = 200;
const PAUSE_MS = { min: 100, max: 1_500 } as const;
const KINDS = { passing: 7, failing: 2, skipped: 1 } as const;

export interface Watch {
  /** Builds as they were at the last look. */
  builds(): readonly BuildRow[];
}

/** Looks at all builds again and again, and remembers the first final state of each. */
export async function watchBuilds(
  tatara: Tatara,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<Watch> {
  let builds: readonly BuildRow[] = [];
  const look = (): void => {
    using records = openRecords(tatara.dataDir);
    builds = records.all("builds");
    noteFinals(ledger, builds);
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  return { builds: () => builds };
}

export function noteFinals(ledger: Ledger, builds: readonly BuildRow[]): void {
  for (const { id, state } of builds) {
    const first = ledger.finals.get(id);
    if (first === undefined && isFinal(state)) ledger.finals.set(id, state);
    if (first !== undefined && first !== state) {
      ledger.changedFinals.push(`${id} was ${first} and is ${state}`);
    }
  }
}

interface Actor {
  readonly tatara: Tatara;
  readonly ledger: Ledger;
  readonly watch: Watch;
  readonly random: Random;
}

/** Pushes to one repo until `stop`, as long as not too much is under way. */
export async function keepPushing(
  { watch, random, push }: Actor & { readonly push: Pusher },
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await delay(random.integer(PAUSE_MS.min, PAUSE_MS.max));
    if (openBuilds(watch).length < OPEN_MAX) await push(random.weighted(KINDS));
  }
}

/** Where builds take long nearly all would be cancelled otherwise, and the suite would show little. */
const CANCELLED_SHARE_MAX = 0.3;

/** Cancels what is under way and runs ended builds again, until `stop`. */
export async function keepMeddling(actor: Actor, stop: AbortSignal): Promise<void> {
  const { watch, random } = actor;
  while (!stop.aborted) {
    await delay(random.integer(2 * PAUSE_MS.min, 4 * PAUSE_MS.max));
    const open = openBuilds(watch);
    if (random.chance(0.35) && mayCancel(actor)) await cancelOne(actor, open);
    else if (open.length < OPEN_WITH_RERUNS_MAX) await rerunOne(actor);
  }
}

function mayCancel({ watch }: Actor): boolean {
  const all = watch.builds();
  const asked = all.filter(({ cancelRequestedAt }) => cancelRequestedAt !== null);
  return asked.length < CANCELLED_SHARE_MAX * all.length;
}

async function cancelOne({ tatara, ledger, random }: Actor, open: readonly BuildRow[]) {
  const [first, ...rest] = open;
  if (first === undefined) return;
  const { id } = random.pick([first, ...rest]);
  // No answer, or one that came too late: then nothing was promised.
  const result = await tatara.client.cancel(id).catch(() => undefined);
  if (result === "cancelled") ledger.cancelled.push(id);
}

async function rerunOne({ tatara, ledger, watch, random }: Actor) {
  const [first, ...rest] = watch.builds().filter(({ sha, state }) => sha && isFinal(state));
  if (first === undefined) return;
  ledger.rerunsAsked += 1;
  const made = await tatara.client.rerun(random.pick([first, ...rest]).id).catch(() => undefined);
  if (made !== undefined) ledger.reruns.push(made.id);
}

function openBuilds(watch: Watch): readonly BuildRow[] {
  return watch.builds().filter(({ state }) => !isFinal(state));
}
