import type { Records } from "../records.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

/** Every sample asks to be published, so a "passed" that nobody can install is a lie. */
export function checkReleased(records: Records): readonly Violation[] {
  const live = records
    .all("publishes")
    .filter(({ purpose, state }) => purpose === "final" && state === "live");
  const isLive = new Set(live.map(({ buildId }) => buildId));
  return records
    .all("builds")
    .filter(({ id, state }) => state === "passed" && !isLive.has(id))
    .map((build) => ({ figure: "broken", what: `${nameOf(build)} is passed, but not live` }));
}
