import type { Verdict } from "../../domain/life/records.ts";
import { afterRelease } from "../../domain/life/settle.ts";
import type { FailureCard } from "../../shared/message-parts.ts";
import { findBuild } from "./builds.ts";
import type { Changed } from "./changed.ts";
import { lifeOf } from "./life-records.ts";
import type { BuildRow } from "./schema.ts";
import type { Tx } from "./store.ts";
import { release, stage } from "./verify-release.ts";
import { writeDown } from "./write-down.ts";

/**
 * Writes down what was decided about a build, and does what comes next: its packages are on their
 * way, first to be verified, then to where its rules send them; where that is nowhere it ends.
 */
export async function carryOut(
  tx: Tx,
  build: BuildRow,
  verdict: Verdict,
  card: FailureCard | null = null,
): Promise<Changed> {
  const changed = await writeDown(tx, verdict.writes, { build, card });
  if (verdict.next === "nothing") return changed;
  const now = await findBuild(tx, build.id);
  if (now === undefined) return changed;
  if (verdict.next === "stage") return { ...changed, ...(await stage(tx, now)) };
  const publishing = await release(tx, now);
  const life = await lifeOf(tx, now);
  const end = afterRelease(life, publishing !== undefined, tx.now());
  const { statusId = changed.statusId } = await writeDown(tx, end.writes, { build: now });
  return { ...changed, ...publishing, statusId };
}
