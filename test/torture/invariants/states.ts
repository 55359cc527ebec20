import { isFinal } from "../../../src/domain/states.ts";
import type { BuildRow } from "../../../src/server/store/schema.ts";
import type { Ledger } from "../ledger.ts";
import { WANTED_STATE } from "../sample-push.ts";
import type { Records } from "../records.ts";
import { NEVER_MOVED, nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

/** I2, as only the ledger knows it: builds ended once, and as their pushes deserve. */
export function checkStates(records: Records, ledger: Ledger): readonly Violation[] {
  const builds = records.all("builds");
  return [
    ...ledger.changedFinals.map((what): Violation => ({ figure: "duplicated", what })),
    ...builds.filter(({ state }) => isFinal(state)).flatMap((build) => checkEnd(build, ledger)),
  ];
}

/** A build that ended as no honest run of its push can end. */
function checkEnd(build: BuildRow, ledger: Ledger): readonly Violation[] {
  const { id, state, reason } = build;
  const wrong = (wanted: string): readonly Violation[] => [
    { figure: "broken", what: `${nameOf(build)} is ${state} (${reason ?? ""}), not ${wanted}` },
  ];
  if (ledger.cancelled.includes(id) && state !== "cancelled") return wrong("cancelled");
  if (build.cancelRequestedAt !== null && state === "cancelled") return [];
  if (reason === NEVER_MOVED) return [];
  // Who kills a worker three times over one job ends that job; that is the promise (F21).
  if (state === "errored" && /^worker lost 3 times$/.test(reason ?? "")) return [];
  const kind = ledger.pushes.find(({ after }) => after === build.after)?.kind;
  if (kind === undefined) return [];
  // Whoever runs a skipped commit again means it.
  const isAsked = build.event === "rerun" && kind === "skipped";
  const wanted = WANTED_STATE[isAsked ? "passing" : kind];
  return state === wanted ? [] : wrong(wanted);
}
