import type { ExpressionBuilder } from "kysely";
import { FINAL_STATES } from "../../domain/states.ts";
import { isNamed } from "./kept-files.ts";
import type { Tables } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** Where a look over all builds has come to. */
export interface Place {
  readonly createdAt: number;
  readonly id: string;
}

export const FIRST_PLACE: Place = { createdAt: 0, id: "" };

/** One slice of a look over the builds that have their logs. */
export interface Slice {
  readonly marked: number;
  /** Where the next slice begins; undefined: this was the last. */
  readonly next: Place | undefined;
}

/**
 * Looks at the next `max` builds that ended before `endedBefore`, and writes down of those that nobody
 * needs that their files are removed. From then on nothing reads the files, so they may go at any time.
 */
export async function markRemovable(
  tx: Tx,
  from: Place,
  { endedBefore, max }: { readonly endedBefore: number; readonly max: number },
): Promise<Slice> {
  const rows = await tx.db
    .selectFrom("builds")
    .select(["id", "createdAt", "endedAt", "state"])
    .select((eb) => eb.or([isNewest(eb), hasPackages(eb), isAwaited(eb)]).as("isHeld"))
    .where("logsRemovedAt", "is", null)
    .where("createdAt", ">=", from.createdAt)
    .where("createdAt", "<", endedBefore)
    .where(({ eb, or }) => or([eb("createdAt", ">", from.createdAt), eb("id", ">", from.id)]))
    .orderBy("createdAt")
    .orderBy("id")
    .limit(max)
    .execute();
  const final: ReadonlySet<string> = new Set(FINAL_STATES);
  const ids = rows
    .filter(({ state, isHeld }) => final.has(state) && !isHeld)
    .filter(({ endedAt, createdAt }) => (endedAt ?? createdAt) < endedBefore)
    .map(({ id }) => id);
  if (ids.length > 0) {
    await tx.db
      .updateTable("builds")
      .set({ logsRemovedAt: tx.now() })
      .where("id", "in", ids)
      .execute();
  }
  return { marked: ids.length, next: rows.length < max ? undefined : rows.at(-1) };
}

type Builds = ExpressionBuilder<Tables, "builds">;

/** Of its branch: the newest of all, and the newest that passed. */
function isNewest({ eb, and, or, not, exists, selectFrom }: Builds) {
  const newer = selectFrom("builds as newer")
    .select("newer.id")
    .whereRef("newer.repo", "=", "builds.repo")
    .whereRef("newer.ref", "=", "builds.ref")
    .whereRef("newer.number", ">", "builds.number");
  return and([
    eb("builds.ref", "like", "refs/heads/%"),
    or([
      not(exists(newer)),
      and([
        eb("builds.state", "=", "passed"),
        not(exists(newer.where("newer.state", "=", "passed"))),
      ]),
    ]),
  ]);
}

/** What hosts can have, or could have again: its bytes are in the pool until no channel needs them. */
function hasPackages({ exists, selectFrom }: Builds) {
  return exists(
    selectFrom("packages")
      .select("packages.nevra")
      .whereRef("packages.buildId", "=", "builds.id")
      .where(({ eb, or }) =>
        or([eb("packages.sweptAt", "is", null), eb("packages.isPinned", "=", 1)]),
      ),
  );
}

/** Its packages are on their way into channels, or another build is there to be compared with them. */
function isAwaited({ or, exists, selectFrom }: Builds) {
  const publishes = selectFrom("publishes")
    .select("publishes.id")
    .whereRef("publishes.buildId", "=", "builds.id")
    .where("publishes.state", "in", ["queued", "running"]);
  const compared = selectFrom("builds as other")
    .select("other.id")
    .whereRef("other.compareWith", "=", "builds.id")
    .where("other.logsRemovedAt", "is", null);
  return or([exists(publishes), exists(compared)]);
}

/** Builds that have said that their files are removed, and may still have some. */
export async function buildsToEmpty(
  { db }: Pick<Reader, "db">,
  max: number,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("builds")
    .select("id")
    .where("logsRemovedAt", "is not", null)
    .where("filesGoneAt", "is", null)
    .orderBy("logsRemovedAt")
    .limit(max)
    .execute();
  return rows.map(({ id }) => id);
}

/** Contents that its jobs uploaded as packages, and that no build with its files has made or kept. */
export async function unneededContents(
  reader: Pick<Reader, "db">,
  buildId: string,
): Promise<readonly string[]> {
  const rows = await reader.db
    .selectFrom("artifacts")
    .innerJoin("jobs", "jobs.id", "artifacts.jobId")
    .select("artifacts.sha256")
    .distinct()
    .where("jobs.buildId", "=", buildId)
    .execute();
  const unneeded: string[] = [];
  for (const { sha256 } of rows) if (!(await isNamed(reader, sha256))) unneeded.push(sha256);
  return unneeded;
}

export async function recordFilesGone(tx: Tx, buildIds: readonly string[]): Promise<void> {
  if (buildIds.length === 0) return;
  await tx.db
    .updateTable("builds")
    .set({ filesGoneAt: tx.now() })
    .where("id", "in", buildIds)
    .execute();
}
