import type { Prepared } from "./prepared.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { Stopwatch } from "./stopwatch.ts";

/** A publish that waits for its turn. */
export interface Member {
  readonly publish: { readonly grant: PublishGrant; readonly stopwatch: Stopwatch };
  readonly prepared: Prepared;
  readonly signal: AbortSignal;
  /** Once. */
  readonly settle: (outcome: Outcome) => void;
}

export type Outcome =
  /** `generations` as `channel/number`; `together`: how many publishes share them. */
  | { readonly kind: "live"; readonly generations: readonly string[]; readonly together: number }
  /** Nothing was to do; the server has not been told. */
  | { readonly kind: "unchanged" }
  /** The server has ended it. */
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly err: unknown };

/** One turn after the other: whoever is ready when one begins shares its generations. */
export interface Turns {
  /** Waits for a turn and answers how it ended. Never rejects. */
  join(member: Omit<Member, "settle">): Promise<Outcome>;
  /** A turn for something else than a publish: nothing is staged meanwhile. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** A switch is one transaction and one message, so what it carries is bounded. */
const PACKAGES_MAX = 5_000;

/** `makeLive` settles each of its members, and never rejects. */
export function openTurns(makeLive: (members: readonly Member[]) => Promise<void>): Turns {
  let waiting: readonly Member[] = [];
  let last: Promise<unknown> = Promise.resolve();

  const alone: Turns["alone"] = async (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return await turn;
  };
  const takeTurn = async (): Promise<void> => {
    // An earlier turn may have taken all of them.
    if (waiting.length === 0) return;
    const members = firstTogether(waiting);
    waiting = waiting.slice(members.length);
    await makeLive(members);
  };
  return {
    alone,
    join: async ({ publish, prepared, signal }) => {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const member = { publish, prepared, signal, settle: resolve };
      const leave = (): void => {
        if (!waiting.includes(member)) return;
        waiting = waiting.filter((each) => each !== member);
        resolve({ kind: "failed", err: signal.reason });
      };
      signal.addEventListener("abort", leave, { once: true });
      waiting = [...waiting, member];
      if (signal.aborted) leave();
      void alone(takeTurn);
      return await promise.finally(() => signal.removeEventListener("abort", leave));
    },
  };
}

/** As many of the first as one generation per channel can hold; at least one. */
export function firstTogether<M extends Pick<Member, "prepared">>(
  waiting: readonly M[],
): readonly M[] {
  const together: M[] = [];
  let packages = 0;
  for (const member of waiting) {
    packages += member.prepared.packages.length;
    const isFull = together.length > 0 && packages > PACKAGES_MAX;
    if (isFull || together.some((other) => areOpposed(other.prepared, member.prepared))) break;
    together.push(member);
  }
  return together;
}

/** Whether the order in which two changes are made matters, or only one of them can be made. */
function areOpposed(one: Prepared, other: Prepared): boolean {
  return one.changes.some((a) =>
    other.changes.some((b) => {
      if (a.channel !== b.channel) return false;
      if (a.edit.kind === "restore" || b.edit.kind === "restore") return true;
      return takesAway(a.edit, b.edit) || takesAway(b.edit, a.edit) || haveTwins(a.edit, b.edit);
    }),
  );
}

type Edit = Extract<Prepared["changes"][number]["edit"], { kind: "edit" }>;

function takesAway({ remove }: Edit, { add }: Edit): boolean {
  if (remove.size === 0) return false;
  return [...add].some(([target, packages]) => {
    const removed = new Set(remove.get(target));
    return packages.some(({ nevra }) => removed.has(nevra));
  });
}

/** The same NEVRA with other bytes. */
function haveTwins(one: Edit, other: Edit): boolean {
  const digests = new Map(
    [...one.add.values()].flat().map(({ nevra, sha256 }) => [nevra, sha256] as const),
  );
  return [...other.add.values()].flat().some(({ nevra, sha256 }) => {
    return (digests.get(nevra) ?? sha256) !== sha256;
  });
}
