import type { DeliveryRow } from "../../../src/server/store/schema.ts";
import type { Violation } from "../invariants/violation.ts";
import type { Flooded } from "./flood.ts";

/** I1 by answers: a 2xx has its one row, and whatever came again led to the same build. */
export function checkAnswers(
  rows: readonly DeliveryRow[],
  sent: readonly Flooded[],
): readonly Violation[] {
  const byId = Map.groupBy(rows, ({ deliveryId }) => deliveryId);
  return sent.flatMap((flooded) => checkOne(flooded, byId));
}

function checkOne(
  { deliveryId, answeredIds, builds, isDeletion, answers }: Flooded,
  byId: ReadonlyMap<string, readonly DeliveryRow[]>,
): readonly Violation[] {
  const what = (text: string): string => `delivery ${deliveryId} ${text}`;
  if (answers === 0) return [];
  // The same bytes under several ids share the row of the one that came first.
  const rows = [deliveryId, ...answeredIds].flatMap((id) => byId.get(id) ?? []);
  const own = [...new Set(rows)];
  const found: Violation[] = [];
  if (own.length === 0) found.push({ figure: "lost", what: what("was answered and has no row") });
  if (own.length > 1) {
    found.push({ figure: "duplicated", what: what(`left ${own.length} rows`) });
  }
  if (!isDeletion) return found;
  const [build] = builds;
  if (builds.size !== 1) {
    found.push({ figure: "duplicated", what: what(`led to builds ${[...builds].join(", ")}`) });
  }
  if (own.length === 1 && own[0]?.buildId !== build) {
    found.push({ figure: "lost", what: what(`was answered with ${build ?? "no build"}`) });
  }
  return found;
}
