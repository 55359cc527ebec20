import type { Random } from "../random.ts";
import type { Fault, FaultKind } from "./fault-proxy.ts";

export interface DrawnFault {
  readonly fault: Fault;
  /** How long the link stays so. */
  readonly forMs: number;
}

const KINDS = {
  latency: 1,
  bandwidth: 1,
  slices: 1,
  timeout: 1,
  reset: 1,
  "half-open": 1,
  "slow-close": 1,
} as const satisfies Record<FaultKind, number>;
const FOR_MS = { min: 1_000, max: 8_000 } as const;
/** Longer than a lease and its heartbeats can bridge. */
const LONG_MS = { min: 26_000, max: 34_000 } as const;
const LONG_CHANCE = 0.06;

/** A fault in numbers that links between machines do show. */
export function drawnFault(
  random: Random,
  { mayBeLong }: { readonly mayBeLong: boolean },
): DrawnFault {
  const { min, max } = random.chance(LONG_CHANCE) && mayBeLong ? LONG_MS : FOR_MS;
  const forMs = random.integer(min, max);
  return { fault: faultOf(random.weighted(KINDS), random), forMs };
}

function faultOf(kind: FaultKind, random: Random): Fault {
  switch (kind) {
    case "latency":
      return { kind, ms: random.integer(50, 500), jitterMs: random.integer(0, 50) };
    case "bandwidth":
      return { kind, bytesPerSecond: random.integer(20_000, 500_000) };
    case "slices":
      return { kind, bytes: random.integer(20, 400), everyMs: random.integer(0, 2) };
    case "timeout":
      return { kind, ms: random.integer(500, 6_000) };
    case "reset":
      return { kind, afterMs: random.integer(0, 300) };
    case "half-open":
      return { kind, resetAfterMs: random.integer(5_000, 40_000) };
    case "slow-close":
      return { kind, ms: random.integer(500, 3_000) };
  }
}

/** For people: `latency 210 ± 30 ms`. */
export function describeFault(fault: Fault): string {
  const { kind, ...numbers } = fault;
  return [kind, ...Object.entries(numbers).map(([name, value]) => `${name}=${value}`)].join(" ");
}
