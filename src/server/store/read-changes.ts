import type { ChangeResult } from "../../shared/channel-changes.ts";
import type { Reader } from "./store.ts";

/** How a change of channels stands that is no build's. */
export async function changeView(
  { db }: Reader,
  publishId: string,
): Promise<ChangeResult | undefined> {
  const row = await db
    .selectFrom("publishes")
    .select([
      "id",
      "state",
      "generationsJson",
      "durationMs",
      "reason",
      "reportJson",
      "progressJson",
    ])
    .where("id", "=", publishId)
    .where("buildId", "is", null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { state, durationMs, reason } = row;
  return {
    publishId,
    state,
    durationMs,
    reason,
    generations: JSON.parse(row.generationsJson ?? "[]") as ChangeResult["generations"],
    report: [
      ...(JSON.parse(row.reportJson ?? "[]") as string[]),
      ...(row.progressJson === null ? [] : [progressLine(row.progressJson)]),
    ],
  };
}

function progressLine(progressJson: string): string {
  const { done, total, note } = JSON.parse(progressJson) as {
    readonly done: number;
    readonly total: number;
    readonly note: string;
  };
  return `${done} of ${total}${note ? `: ${note}` : ""}`;
}
