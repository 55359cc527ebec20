import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { ownHeads } from "./own-heads.ts";
import { nameOf } from "./records.ts";
import type { BuildRecord, DeliveryRecord } from "./rows.ts";
import type { Look } from "./world.ts";

/** A push to the own remote that was cut off before its ref moved; git told its pusher so. */
export const NEVER_MOVED = "the ref was never updated";
/** At its start a server compares every ref with what it has recorded. */
const HEADS_SETTLE_MS = 35_000;
const finding = findingsOf("I1");

/** I1: each delivery leads to one build, or to a row that says why there is none. */
export async function checkPushes(look: Look): Promise<readonly Finding[]> {
  const { records } = look;
  const builds = records.all("builds");
  const ids = new Set(builds.map(({ id }) => id));
  return [
    ...records.all("deliveries").flatMap((row) => checkDelivery(row, ids)),
    ...checkTwice(builds),
    ...checkNumbers(look, builds),
    ...(await checkHeads(look)),
  ];
}

function checkDelivery(row: DeliveryRecord, builds: ReadonlySet<string>): readonly Finding[] {
  const { id, disposition, buildId, reason } = row;
  const where = `delivery ${row.deliveryId} (${row.repo ?? "no repo"})`;
  const evidence = `row ${id}: ${disposition}, build ${buildId ?? "none"}`;
  const wayOut = "deliver it again from the forge's page, or rerun the commit";
  if (buildId !== null && !builds.has(buildId)) {
    const what = "a delivery was accepted and its build is gone";
    return [finding({ figure: "lost", what, where, evidence, wayOut })];
  }
  if (buildId === null && reason === null) {
    const what = "a delivery has neither a build nor a reason";
    return [finding({ figure: "lost", what, where, evidence, wayOut })];
  }
  return [];
}

/** The same push builds again only where the build before ended without an answer about the commit. */
function checkTwice(builds: readonly BuildRecord[]): readonly Finding[] {
  const pushed = builds.filter(({ event, reason }) => event === "push" && reason !== NEVER_MOVED);
  return [...Map.groupBy(pushed, tupleOf).values()].flatMap((same) =>
    same
      .slice(0, -1)
      .filter(({ state }) => state !== "errored" && state !== "cancelled")
      .map((build) =>
        finding({
          figure: "duplicated",
          what: "one push was built again",
          where: nameOf(build),
          evidence: `${same.map(nameOf).join(", ")} are all of ${build.after}`,
          wayOut: "cancel the newer one if it runs; please report it with the deliveries' rows",
        }),
      ),
  );
}

export function tupleOf(
  push: Pick<BuildRecord, "forge" | "repo" | "ref" | "before" | "after">,
): string {
  return [push.forge, push.repo, push.ref, push.before, push.after].join(" ");
}

/** Numbers are what people call builds by; two of one number would hide each other. */
function checkNumbers({ records }: Look, builds: readonly BuildRecord[]): readonly Finding[] {
  const next = new Map(records.all("repos").map(({ name, nextNumber }) => [name, nextNumber]));
  const wayOut = "restore the last backup; please report it";
  return [...Map.groupBy(builds, ({ repo }) => repo)].flatMap(([repo, own]) => {
    const numbers = new Set(own.map(({ number }) => number));
    const highest = Math.max(...numbers);
    const found: Finding[] = [];
    if (numbers.size !== own.length) {
      const evidence = `${own.length} builds share ${numbers.size} numbers`;
      const what = "two builds have one number";
      found.push(finding({ figure: "duplicated", what, where: repo, evidence, wayOut }));
    }
    if ((next.get(repo) ?? 0) <= highest) {
      const evidence = `the next number is ${next.get(repo) ?? "none"}, the highest ${highest}`;
      const what = "the next build would take a number that is taken";
      found.push(finding({ what, where: repo, evidence, wayOut }));
    }
    return found;
  });
}

/** What the own remote's refs say must have been recorded: git told the pusher that it was taken. */
async function checkHeads({ records, dataDir, signal }: Look): Promise<readonly Finding[]> {
  const deliveries = records.all("deliveries").filter(({ forge }) => forge === "own");
  const pushed = new Set(deliveries.map(({ repo, ref, after }) => `${repo} ${ref} ${after}`));
  const repos = records.all("repos").filter(({ forge }) => forge === "own");
  const heads = await ownHeads(dataDir, new Set(repos.map(({ name }) => name)), signal);
  return heads
    .filter(({ repo, ref, sha }) => !pushed.has(`${repo} ${ref} ${sha}`))
    .map(({ repo, ref, sha }) =>
      finding({
        figure: "lost",
        what: "a ref of the own remote names a commit that no recorded push brought",
        where: `${repo} ${ref}`,
        evidence: sha,
        wayOut: "restart the server, which compares refs at its start; or push the ref again",
        settlesMs: HEADS_SETTLE_MS,
      }),
    );
}
