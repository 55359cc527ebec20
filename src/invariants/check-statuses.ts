import { COMMIT_STATE } from "../domain/commit-status.ts";
import type { CommitState } from "../domain/commit-status.ts";
import { findingsOf } from "./finding.ts";
import type { Finding, Note } from "./finding.ts";
import { nameOf } from "./records.ts";
import type { BuildRecord, OutboxRecord } from "./rows.ts";
import type { ForgeView, Look, ShownStatus } from "./world.ts";

/** A forge that can be reached shows the newest state within this time. */
const SAID_MS = 60_000;
/** How many commits a forge on the network is asked about: the newest. */
const ASKED_MAX = 100;
/** How many refused statuses are told one by one: the newest. */
const TOLD_MAX = 5;
const finding = findingsOf("I3");

/** I3: the last status of every commit is that of its newest build. */
export async function checkStatuses(look: Look): Promise<readonly Finding[]> {
  const outbox = new Map(look.records.all("outbox").map((row) => [commitOf(row), row]));
  const newest = newestOfCommits(look.records.all("builds"));
  const found: Finding[] = [];
  for (const build of newest) found.push(...checkWish(build, outbox.get(commitOf(build))));
  const asked = new Map<string, number>();
  for (const build of newest.toReversed()) {
    const wish = outbox.get(commitOf(build));
    const forge = look.forges[build.forge] ?? (build.forge === "own" ? ownForge(look) : undefined);
    const count = asked.get(build.forge) ?? 0;
    if (forge === undefined || wish === undefined) continue;
    if (build.forge !== "own" && count >= ASKED_MAX && !look.isSettled) continue;
    asked.set(build.forge, count + 1);
    found.push(...(await checkShown(build, wish, forge)));
  }
  return found;
}

/** What a forge refused for good is shown nowhere: no promise of ours is broken, and somebody must know. */
export function tellRefused({ records }: Look): readonly Note[] {
  const refused = records
    .all("outbox")
    .filter(({ terminalReason }) => terminalReason !== null)
    .toSorted((a, b) => b.updatedAt - a.updatedAt);
  const others = refused.length - TOLD_MAX;
  return refused.slice(0, TOLD_MAX).map((row, index) => {
    const { repo, buildNumber: number, sha, state, terminalReason } = row;
    const isLast = index === TOLD_MAX - 1 && others > 0;
    return {
      invariant: "I3",
      where: nameOf({ repo, number }),
      what: `its commit does not show ${state}: the forge refused it for good`,
      evidence: `${sha}: ${terminalReason ?? ""}${isLast ? `; and ${others} older ones` : ""}`,
      wayOut: "check what the status token may write, then run the build again",
    };
  });
}

/** A build's state and the wish to show it are one transaction, so they agree at every moment. */
function checkWish(build: BuildRecord, wish: OutboxRecord | undefined): readonly Finding[] {
  const wanted = COMMIT_STATE[build.state];
  // "Nothing to do" does not hide what another build of the commit has found out.
  if (build.state === "skipped") return [];
  if (wish?.state === wanted && wish.buildNumber >= build.number) return [];
  const evidence = `${build.state}; the outbox wants ${wish?.state ?? "nothing"}`;
  return [
    finding({
      what: "the outbox wants something else than the newest build says",
      where: nameOf(build),
      evidence,
      wayOut: "run the commit again: the new build's end replaces the status",
    }),
  ];
}

async function checkShown(
  build: BuildRecord,
  wish: OutboxRecord,
  forge: ForgeView,
): Promise<readonly Finding[]> {
  if (wish.terminalReason !== null) return [];
  const shown = await forge.statusesOf(build.repo, wish.sha);
  if (shown === undefined) return [];
  const where = nameOf(build);
  const last = shown.at(-1)?.state;
  const found: Finding[] = [];
  if (last !== wish.state) {
    found.push(
      finding({
        what: "the forge shows another state than the newest build's",
        where,
        evidence: `${wish.sha} shows ${last ?? "nothing"}, not ${wish.state}; ${wish.lastProblem ?? "no problem is known"}`,
        wayOut:
          "look at the report worker's log and at the forge's credential; it is tried again for 7 days",
        settlesMs: SAID_MS,
      }),
    );
  }
  const back = wentBack(shown);
  if (back !== undefined) {
    const what = "the commit showed two final states of one build, or pending after one";
    const wayOut = "run the commit again; please report it";
    found.push(finding({ figure: "duplicated", what, where, evidence: back, wayOut }));
  }
  return found;
}

/** Within one build a final state is never followed by another one. */
function wentBack(shown: readonly ShownStatus[]): string | undefined {
  const ended = new Map<string | null, CommitState>();
  for (const { state, targetUrl } of shown) {
    const final = ended.get(targetUrl);
    if (final !== undefined && state !== final) return `${final}, then ${state}`;
    if (state !== "pending") ended.set(targetUrl, state);
  }
  return undefined;
}

/** The own remote's statuses are rows of this database, as posted. */
function ownForge({ records }: Look): ForgeView {
  const rows = Map.groupBy(records.all("statuses"), ({ repo, sha }) => `${repo} ${sha}`);
  return {
    statusesOf: (repo, sha) => Promise.resolve(rows.get(`${repo} ${sha}`) ?? []),
  };
}

/** Tries say nothing on commits. */
function newestOfCommits(builds: readonly BuildRecord[]): readonly BuildRecord[] {
  const newest = new Map<string, BuildRecord>();
  for (const build of builds.toSorted((a, b) => a.number - b.number)) {
    if (build.sha === null || build.event === "try") continue;
    if (build.state === "skipped" && newest.has(commitOf(build))) continue;
    newest.set(commitOf(build), build);
  }
  return [...newest.values()];
}

function commitOf({ forge, repo, sha }: Pick<BuildRecord, "forge" | "repo" | "sha">): string {
  return `${forge} ${repo} ${sha ?? ""}`;
}
