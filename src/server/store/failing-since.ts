import { isSameFailure } from "../../domain/same-failure.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import type { BuildRow } from "./schema.ts";
import type { Reader } from "./store.ts";

/** Farther back nobody looks, and a build page must not read the whole history. */
const BUILDS_LOOKED_AT_MAX = 50;

/**
 * The card with the number of the first build of its branch that failed so and has not passed since;
 * null when this one was the first. Builds that ended through no fault of the code say nothing.
 */
export async function withNewSince(
  { db }: Reader,
  build: Pick<BuildRow, "repo" | "ref" | "number">,
  failure: FailureCard,
): Promise<FailureCard> {
  const before = await db
    .selectFrom("builds")
    .select(["number", "state", "failureJson"])
    .where("repo", "=", build.repo)
    .where("ref", "=", build.ref)
    .where("number", "<", build.number)
    .where("state", "in", ["passed", "failed"])
    .orderBy("number", "desc")
    .limit(BUILDS_LOOKED_AT_MAX)
    .execute();
  const end = before.findIndex(
    ({ failureJson }) =>
      failureJson === null || !isSameFailure(failure, JSON.parse(failureJson) as FailureCard),
  );
  const same = end === -1 ? before : before.slice(0, end);
  return { ...failure, newSince: same.at(-1)?.number ?? null };
}
