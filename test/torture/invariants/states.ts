import { isFinal } from "../../../src/domain/states.ts";
import type { BuildRow } from "../../../src/server/store/schema.ts";
import type { Ledger } from "../ledger.ts";
import { WANTED_STATE } from "../sample-push.ts";
import type { Records } from "../records.ts";
import { NEVER_MOVED, nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

/** I2: every build, job, step and publish has ended, once, and as its push deserves. */
export function checkStates(records: Records, ledger: Ledger): readonly Violation[] {
  const builds = records.all("builds");
  return [
    ...checkEnded(records, builds),
    ...ledger.changedFinals.map((what): Violation => ({ figure: "duplicated", what })),
    ...builds.filter(({ state }) => isFinal(state)).flatMap((build) => checkEnd(build, ledger)),
  ];
}

function checkEnded(records: Records, builds: readonly BuildRow[]): readonly Violation[] {
  const jobs = records.all("jobs");
  const publishes = records.all("publishes");
  const unfinished = (what: string): Violation => ({ figure: "unfinished", what });
  return [
    ...builds
      .filter(({ state }) => !isFinal(state))
      .map((build) => unfinished(`${nameOf(build)} is ${build.state}`)),
    ...jobs
      .filter(({ state }) => !isFinal(state))
      .map(({ id, state, reason }) => unfinished(`job ${id} is ${state}: ${reason ?? ""}`)),
    ...records
      .all("steps")
      .filter(({ state }) => !isFinal(state))
      .map((step) => {
        return unfinished(`step ${step.name} of ${step.jobId}-${step.attempt} is ${step.state}`);
      }),
    ...publishes
      .filter(({ state }) => state === "queued" || state === "running")
      .map(({ id, state }) => unfinished(`publish ${id} is ${state}`)),
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
