import { requestOf, type SweepPlan } from "./publish-requests.ts";
import { packagesByNevra } from "./packages.ts";
import type { Reader } from "./store.ts";

/** A package, or a generation. */
export type Sweepable =
  | { readonly nevra: string }
  | { readonly channel: string; readonly number: number };

/** Does a sweep delete it at this very moment? Then it is too late to ask for it. */
export async function isBeingSwept(
  { db }: Pick<Reader, "db">,
  wanted: Sweepable,
): Promise<boolean> {
  const running = await db
    .selectFrom("publishes")
    .select(["kind", "requestJson"])
    .where("state", "=", "running")
    .where("kind", "=", "sweep")
    .execute();
  const plans = running.flatMap((publish) => {
    const { plan, dryRun } = requestOf(publish, "sweep");
    return plan === null || dryRun ? [] : [plan];
  });
  if ("number" in wanted) return plans.some((plan) => dropsGeneration(plan, wanted));
  if (plans.length === 0) return false;
  const [known] = await packagesByNevra({ db }, [wanted.nevra]);
  return plans.some(({ dropPackages }) =>
    dropPackages.some(({ sha256 }) => sha256 === known?.signedSha256),
  );
}

/** The newest that is kept is the head of then: what came later is not in question. */
function dropsGeneration(
  { keep }: SweepPlan,
  { channel, number }: { readonly channel: string; readonly number: number },
): boolean {
  const numbers = keep.find((kept) => kept.channel === channel)?.numbers ?? [];
  return number < (numbers.at(-1) ?? 0) && !numbers.includes(number);
}
