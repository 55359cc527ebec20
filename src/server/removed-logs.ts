import type { BuildView } from "./views.ts";

const DAY_MS = 24 * 3_600_000;

/** What is said where the log would be; undefined: it is there. */
export function removedLog({
  logsRemovedAt = null,
  endedAt,
  createdAt,
}: Pick<BuildView, "logsRemovedAt" | "endedAt" | "createdAt">): string | undefined {
  if (logsRemovedAt === null) return undefined;
  const days = Math.floor((logsRemovedAt - (endedAt ?? createdAt)) / DAY_MS);
  return `Its log was removed after ${days} days.`;
}

/** The answer 410 to who asks for a log or an upload that is removed. */
export function removedAnswer(build: BuildView, what: "log" | "file") {
  const said = removedLog(build);
  if (said === undefined) return undefined;
  const name = `${build.repo} #${build.number}`;
  return {
    error:
      what === "log"
        ? `${name} has no log any more. ${said}`
        : `${name} has this file no more: it was never published, and went with the log.`,
    hint: "Its result stays. TATARA_KEEP_BUILDS_DAYS of the server says how long logs are kept.",
  };
}
