import type { ForgeName } from "../../src/domain/push.ts";
import type { PushKind } from "./sample-push.ts";

/** A push that Tatara said it took: by a 2xx, or by letting git end with 0. */
export interface AcceptedPush {
  readonly forge: ForgeName;
  readonly repo: string;
  readonly ref: string;
  readonly before: string;
  readonly after: string;
  readonly kind: PushKind;
}

/** A webhook delivery that was answered 2xx. */
export interface AcceptedDelivery {
  readonly deliveryId: string;
  /** The same bytes may arrive under a new id; then the first one's row stands for both. */
  readonly sameBodyAs: string;
}

/** What was promised to the outside, kept outside: the checks compare it with the records. */
export interface Ledger {
  readonly pushes: AcceptedPush[];
  readonly deliveries: AcceptedDelivery[];
  /** Builds whose id a rerun's 201 named. */
  readonly reruns: string[];
  /** Reruns that were asked for, with or without an answer. */
  rerunsAsked: number;
  /** Builds of which the answer said that they are cancelled by now. */
  readonly cancelled: string[];
  /** Final states as they were first seen, by build. */
  readonly finals: Map<string, string>;
  /** Builds that were seen to leave a final state. */
  readonly changedFinals: string[];
}

export function emptyLedger(): Ledger {
  return {
    pushes: [],
    deliveries: [],
    reruns: [],
    rerunsAsked: 0,
    cancelled: [],
    finals: new Map(),
    changedFinals: [],
  };
}

/** Accepted deliveries, pushes to the own remote and reruns. */
export function acceptedCount(ledger: Ledger): number {
  const pushed = ledger.pushes.filter(({ forge }) => forge === "own").length;
  return ledger.deliveries.length + pushed + ledger.reruns.length;
}
