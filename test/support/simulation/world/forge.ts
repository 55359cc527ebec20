import type { CommitState } from "../../../../src/domain/commit-status.ts";
import type { PostEnd, StatusRecord } from "../../../../src/domain/life/status.ts";
import type { Lives } from "../records/lives.ts";
import { oneOf } from "./one-of.ts";

/** A poster, and what it was given to say. */
interface Poster {
  held: { readonly sha: string; readonly lease: string; readonly row: StatusRecord } | undefined;
  /** It posts under a lease only, and looks at its own clock for that. */
  leftMs: number;
}

/** A post that nobody has heard of yet: it arrives within its time, or never. */
interface Flying {
  readonly sha: string;
  readonly state: CommitState;
  leftMs: number;
}

const FLIGHT_MS = 60_000;
const LEASE_MS = 30_000;

/** A forge that is slow, broken, or answers too late, and two posters who speak to it. */
export class Forge {
  readonly shown = new Map<string, CommitState>();
  readonly #lives: Lives;
  readonly #posters: readonly Poster[] = [
    { held: undefined, leftMs: 0 },
    { held: undefined, leftMs: 0 },
  ];
  #flying: Flying[] = [];
  #leases = 0;

  constructor(lives: Lives) {
    this.#lives = lives;
  }

  ask(which: number): boolean {
    const poster = oneOf(this.#posters, which);
    const [sha] = this.#lives.outbox.due(this.#lives.now);
    if (poster.held !== undefined || sha === undefined) return false;
    this.#leases += 1;
    const lease = `l${this.#leases}`;
    poster.held = { sha, lease, row: this.#lives.outbox.claim(sha, lease, this.#lives.now) };
    poster.leftMs = LEASE_MS;
    return true;
  }

  post(which: number, how: number): boolean {
    const poster = oneOf(this.#posters, which);
    const { held } = poster;
    if (held === undefined) return false;
    poster.held = undefined;
    if (poster.leftMs <= 0) return true;
    const { sha, row } = held;
    const isShown = row.version === row.sentVersion && this.shown.get(sha) === row.state;
    const outcome = isShown ? "taken" : oneOf(OUTCOMES, how);
    const isTaken = outcome === "taken" || outcome === "taken, answer lost";
    if (isTaken && !isShown) this.shown.set(sha, row.state);
    if (outcome.startsWith("flies on")) this.#fly(sha, row.state, poster.leftMs);
    const result = RESULTS[outcome];
    if (result !== undefined) {
      const answer = { lease: held.lease, version: row.version, result };
      this.#lives.outbox.answer(sha, answer, this.#lives.now);
    }
    return true;
  }

  /** Counted from the claim, so that it has arrived before whoever claims next stops doubting. */
  #fly(sha: string, state: CommitState, leaseLeftMs: number): void {
    this.#flying.push({ sha, state, leftMs: FLIGHT_MS - (LEASE_MS - leaseLeftMs) });
  }

  /** What flies arrives, in any order. */
  land(which: number): void {
    const index = this.#flying.length === 0 ? -1 : which % this.#flying.length;
    const [landed] = index === -1 ? [] : this.#flying.splice(index, 1);
    if (landed !== undefined) this.shown.set(landed.sha, landed.state);
  }

  passed(ms: number): void {
    for (const poster of this.#posters) poster.leftMs -= ms;
    for (const flying of this.#flying) flying.leftMs -= ms;
    // Whose time is up has arrived at the last moment.
    const late = this.#flying.filter(({ leftMs }) => leftMs <= 0);
    this.#flying = this.#flying.filter(({ leftMs }) => leftMs > 0);
    for (const { sha, state } of late) this.shown.set(sha, state);
  }

  calmDown(wait: (ms: number) => void): void {
    for (const poster of this.#posters) poster.held = undefined;
    for (let rounds = 0; rounds < CALM_ROUNDS; rounds += 1) {
      while (this.ask(0)) this.post(0, 0);
      wait(CALM_MS);
    }
  }
}

const OUTCOMES = [
  "taken",
  "taken",
  "taken, answer lost",
  "broken",
  "flies on",
  "flies on, poster dies",
  "refused for a while",
  "given back",
] as const;
type Outcome = (typeof OUTCOMES)[number];

function later(afterMs: number, facts: { readonly isOutage?: boolean } = {}): PostEnd["result"] {
  const rest = { reason: "the forge said so", wholeCredential: false, ...facts };
  return { kind: "later", afterMs, ...rest };
}

const RESULTS: Readonly<Record<Outcome, PostEnd["result"] | undefined>> = {
  taken: { kind: "sent" },
  "taken, answer lost": undefined,
  broken: later(5_000, { isOutage: true }),
  "flies on": later(5_000, { isOutage: true }),
  "flies on, poster dies": undefined,
  "refused for a while": later(60_000),
  "given back": later(0),
};

/** An hour that the clock was set back, and the longest pause, are over by then. */
const CALM_ROUNDS = 10;
const CALM_MS = 20 * 60_000;
