import { COMMIT_STATE } from "../../../src/domain/commit-status.ts";
import type { BuildRow } from "../../../src/server/store/schema.ts";
import type { ForgeDouble } from "../../support/forge-double.ts";
import type { Records } from "../records.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

/** One status as a forge shows it. */
interface Shown {
  readonly state: string;
  /** Names the build. */
  readonly targetUrl: string | null;
}

/** I3: the last status of every commit is that of its newest build. */
export function checkStatuses(records: Records, forge: ForgeDouble): readonly Violation[] {
  const own = records.all("statuses");
  const shownOn = ({ forge: name, repo, sha }: BuildRow): readonly Shown[] =>
    name === "own"
      ? own.filter((status) => status.repo === repo && status.sha === sha)
      : forge.api.statusesOf(sha ?? "").filter((status) => status.repo === repo);

  return newestOfCommits(records.all("builds")).flatMap((build): readonly Violation[] => {
    const shown = shownOn(build);
    const wanted = COMMIT_STATE[build.state];
    const last = shown.at(-1)?.state ?? "nothing";
    const wrong = `the commit of ${nameOf(build)} (${build.state}) shows ${last}, not ${wanted}`;
    return [
      ...(last === wanted ? [] : [broken(wrong)]),
      ...(goesBack(shown) ? [broken(`pending after a final status: ${nameOf(build)}`)] : []),
    ];
  });
}

function newestOfCommits(builds: readonly BuildRow[]): readonly BuildRow[] {
  const newest = new Map<string, BuildRow>();
  for (const build of builds.toSorted((a, b) => a.number - b.number)) {
    if (build.sha !== null) newest.set(`${build.forge} ${build.repo} ${build.sha}`, build);
  }
  return [...newest.values()];
}

/** Within one build a `pending` never follows a final state. */
function goesBack(shown: readonly Shown[]): boolean {
  const ended = new Set<string | null>();
  return shown.some(({ state, targetUrl }) => {
    if (state !== "pending") ended.add(targetUrl);
    return state === "pending" && ended.has(targetUrl);
  });
}

function broken(what: string): Violation {
  return { figure: "broken", what };
}
