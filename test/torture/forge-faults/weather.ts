import type { Fault, Weather } from "../../support/github-api.ts";
import type { Random } from "../random.ts";

/** What a spell of bad weather does to the requests of its time. */
const SPELLS = {
  fair: 5,
  broken: 4,
  cut: 3,
  slow: 3,
  limited: 3,
  late: 2,
  refusing: 2,
  /** The credential is revoked, and repaired at the spell's end. */
  revoked: 1,
} as const;
/** These leave nothing to wait for at the end; and a storm of seconds has little fair weather. */
const SHORT_SPELLS = { ...SPELLS, fair: 1, late: 0, revoked: 0 } as const;

export type Spell = keyof typeof SPELLS;

export function drawSpell(random: Random, isLong: boolean): Spell {
  return random.weighted(isLong ? SPELLS : SHORT_SPELLS);
}

export function spellMs(spell: Spell, random: Random, isLong: boolean): number {
  if (!isLong) return random.integer(500, 2_000);
  return spell === "revoked" ? random.integer(500, 3_000) : random.integer(1_000, 6_000);
}

interface Request {
  readonly method: string;
  readonly state: unknown;
}

/** The faults of one spell; each that is dealt is counted. */
export function weatherOf(
  spell: Spell,
  random: Random,
  { dealt, kill }: { readonly dealt: () => void; readonly kill: () => void },
): Weather {
  return (request) => {
    const fault = killing(random, request, kill) ?? faultOf(spell, random, request);
    if (fault !== undefined) dealt();
    return fault;
  };
}

/** The asker dies before the answer: the status is kept, and nobody knows. */
function killing(random: Random, { method }: Request, kill: () => void) {
  if (method !== "POST" || !random.chance(0.015)) return undefined;
  kill();
  return { kind: "delay", ms: 50 } as const satisfies Fault;
}

function faultOf(spell: Spell, random: Random, { method, state }: Request): Fault | undefined {
  const isPost = method === "POST";
  switch (spell) {
    case "fair":
    case "revoked":
      return undefined;
    case "broken":
      if (!random.chance(0.6)) return undefined;
      return { kind: "status", status: random.pick([500, 502, 503, 504]) };
    case "cut":
      if (!random.chance(0.5)) return undefined;
      return { kind: random.chance(0.5) ? "reset" : "keep-then-reset" };
    case "slow":
      return random.chance(0.7) ? { kind: "delay", ms: random.integer(20, 3_000) } : undefined;
    case "limited":
      return random.chance(0.4) ? limit(random) : undefined;
    case "late": {
      // Longer than anybody waits for it, and shorter than a forge keeps a request.
      if (!isPost || !random.chance(0.25)) return undefined;
      return { kind: "delay", ms: random.integer(10_500, 18_000) };
    }
    case "refusing":
      // A final state that is refused for good would be the forge's last word.
      if (!isPost || state !== "pending" || !random.chance(0.5)) return undefined;
      return { kind: "status", status: random.pick([404, 410, 422]) };
  }
}

function limit(random: Random): Fault {
  const seconds = random.integer(1, 3);
  return random.pick<Fault>([
    { kind: "secondary-limit", retryAfterSeconds: seconds },
    { kind: "rate-limit", resetInSeconds: seconds },
    { kind: "status", status: 429, headers: { "retry-after": String(seconds) } },
  ]);
}
