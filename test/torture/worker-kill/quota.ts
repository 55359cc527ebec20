import { PHASES } from "./phases.ts";
import type { Phase } from "./phases.ts";

/** `returns`: it is started again at once. `stays away`: longer than its lease. */
export const FATES = ["returns", "stays away"] as const;
export type Fate = (typeof FATES)[number];

/** How many kills are still to be dealt of each kind, so that every phase gets its share. */
export interface Quota {
  left(): number;
  leftOf(phase: Phase, fate: Fate): number;
  deal(phase: Phase, fate: Fate): void;
  /** `claim 9+8, plan 8+8, …` */
  describe(): string;
}

/** A small run has some of the phases: `first` says with which it begins. */
export function quotaOf(count: number, first: number): Quota {
  const kinds = PHASES.flatMap((phase) => FATES.map((fate) => `${phase}/${fate}`));
  const left = new Map(kinds.map((kind) => [kind, 0]));
  const dealt = new Map(kinds.map((kind) => [kind, 0]));
  const add = (to: Map<string, number>, kind: string, by: number): void =>
    void to.set(kind, (to.get(kind) ?? 0) + by);
  // Both in turn: nine is odd, so a phase meets the other fate at its next turn.
  for (let i = 0; i < count; i += 1) {
    const phase = PHASES[(first + i) % PHASES.length] ?? "test";
    const fate = FATES[i % FATES.length] ?? "returns";
    add(left, `${phase}/${fate}`, 1);
  }
  return {
    left: () => [...left.values()].reduce((sum, one) => sum + one, 0),
    leftOf: (phase, fate) => left.get(`${phase}/${fate}`) ?? 0,
    deal: (phase, fate) => {
      add(left, `${phase}/${fate}`, -1);
      add(dealt, `${phase}/${fate}`, 1);
    },
    describe: () =>
      PHASES.map((phase) => {
        const [back, away] = FATES.map((fate) => dealt.get(`${phase}/${fate}`) ?? 0);
        return `${phase} ${back}+${away}`;
      }).join(", "),
  };
}
