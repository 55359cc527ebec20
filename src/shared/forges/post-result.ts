import { z } from "zod";
import type { CommitState } from "../../domain/commit-status.ts";
import type { PostResult } from "./forge.ts";

/** An HTTP answer of a forge that speaks GitHub's API. */
export interface ForgeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  /** The forge's own words; for people, and for the one case below that no header tells. */
  readonly message: string;
}

const SECONDARY_PAUSE_MS = 60_000;
const PAUSE_MAX_MS = 86_400_000;
const REASON_MAX = 900;

/**
 * Reads the answer to a posted status; an error stands for no answer. `now` stands in where the
 * answer carries no date.
 */
export function toPostResult(answer: ForgeAnswer | Error, now: number): PostResult {
  if (answer instanceof Error) {
    return { kind: "unavailable", isOutage: true, reason: answer.message.slice(0, REASON_MAX) };
  }
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: "sent" };
  const reason = `${status}: ${answer.message}`.slice(0, REASON_MAX);
  const pauseMs = pauseOf(answer, now);
  if (pauseMs !== undefined) return { kind: "wait", afterMs: pauseMs, reason };
  if (status === 401) return { kind: "refused", reason };
  // No limit and no bad credential: it may not write to this repo. That can be granted any time.
  if (status === 403) return { kind: "unavailable", isOutage: false, reason };
  if (status === 408 || status >= 500) return { kind: "unavailable", isOutage: true, reason };
  return { kind: "terminal", reason };
}

/** How long the forge asks us to stay away; undefined if it does not. */
function pauseOf({ status, headers, message }: ForgeAnswer, now: number): number | undefined {
  if (status !== 403 && status !== 429 && status !== 503) return undefined;
  const clock = Date.parse(String(headers["date"] ?? "")) || now;
  const retryAfter = headers["retry-after"];
  if (retryAfter !== undefined) return bounded(retryAfterMs(String(retryAfter), clock));
  // Every answer carries a reset time; it says something only once nothing remains.
  if (String(headers["x-ratelimit-remaining"]) === "0") {
    return bounded(Number(headers["x-ratelimit-reset"]) * 1_000 - clock);
  }
  const isSecondary = status === 403 && /secondary rate limit|abuse detection/i.test(message);
  return status === 429 || isSecondary ? SECONDARY_PAUSE_MS : undefined;
}

function retryAfterMs(text: string, clock: number): number {
  return /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - clock;
}

function bounded(ms: number): number {
  return Number.isNaN(ms) ? SECONDARY_PAUSE_MS : Math.min(Math.max(ms, 1_000), PAUSE_MAX_MS);
}

const listedStatuses = z.array(
  z.object({ context: z.string(), state: z.enum(["pending", "success", "failure", "error"]) }),
);

/** GitHub lists a commit's statuses newest first. */
export function newestState(list: unknown, context: string): CommitState | undefined {
  const parsed = listedStatuses.safeParse(list);
  return parsed.data?.find((status) => status.context === context)?.state;
}
