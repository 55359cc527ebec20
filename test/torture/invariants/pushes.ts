import type { BuildRow } from "../../../src/server/store/schema.ts";
import type { AcceptedPush, Ledger } from "../ledger.ts";
import type { Records } from "../records.ts";
import type { Violation } from "./violation.ts";

/** A push to the own remote that was cut off before its ref moved; git told its pusher so. */
export const NEVER_MOVED = "the ref was never updated";

/** I1: what was accepted has exactly one build, and no build comes from nowhere. */
export function checkPushes(records: Records, ledger: Ledger): readonly Violation[] {
  const builds = records.all("builds").filter(({ reason }) => reason !== NEVER_MOVED);
  const pushed = builds.filter(({ event }) => event === "push");
  const known = new Set(ledger.pushes.map(keyOf));
  return [
    ...ledger.pushes.flatMap((push) => checkPush(push, pushed)),
    ...pushed
      .filter((build) => !known.has(keyOf(build)))
      .map((build) => duplicated(`${nameOf(build)} comes from a push that nobody made`)),
    ...checkDeliveries(records, ledger),
    ...checkReruns(builds, ledger),
  ];
}

function checkPush(push: AcceptedPush, builds: readonly BuildRow[]): readonly Violation[] {
  const made = builds.filter((build) => keyOf(build) === keyOf(push));
  if (made.length === 0) {
    const what = `${push.repo} ${push.after} was accepted and has no build`;
    return [{ figure: "lost", what }];
  }
  // A redelivery may build again what ended without an answer about the commit.
  const again = made
    .slice(0, -1)
    .filter(({ state }) => state !== "errored" && state !== "cancelled");
  return again.map((build) => duplicated(`${nameOf(build)} was built again by the same push`));
}

function checkDeliveries(records: Records, ledger: Ledger): readonly Violation[] {
  const rows = records.all("deliveries").filter(({ forge }) => forge === "github");
  const countOf = (id: string): number => rows.filter((row) => row.deliveryId === id).length;
  return ledger.deliveries.flatMap(({ deliveryId, sameBodyAs }): readonly Violation[] => {
    const count = countOf(sameBodyAs);
    if (count === 0) return [{ figure: "lost", what: `delivery ${deliveryId} left no row` }];
    return count === 1 ? [] : [duplicated(`delivery ${deliveryId} left ${count} rows`)];
  });
}

function checkReruns(builds: readonly BuildRow[], ledger: Ledger): readonly Violation[] {
  const made = builds.filter(({ event }) => event === "rerun");
  const ids = new Set(made.map(({ id }) => id));
  const lost = ledger.reruns.filter((id) => !ids.has(id));
  const spare = made.length - ledger.rerunsAsked;
  return [
    ...lost.map((id): Violation => ({ figure: "lost", what: `rerun ${id} is gone` })),
    ...(spare > 0 ? [duplicated(`${spare} more reruns than were asked for`)] : []),
  ];
}

function keyOf(push: Pick<BuildRow, "forge" | "repo" | "ref" | "before" | "after">): string {
  return [push.forge, push.repo, push.ref, push.before, push.after].join(" ");
}

export function nameOf({ repo, number }: Pick<BuildRow, "repo" | "number">): string {
  return `${repo} #${number}`;
}

function duplicated(what: string): Violation {
  return { figure: "duplicated", what };
}
