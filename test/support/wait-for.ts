import type { Tatara } from "./start-tatara.ts";
import { until } from "./until.ts";

export interface SeenStatus {
  readonly state: string;
  readonly description: string;
  readonly target_url: string;
}

/** Waits until a step has printed `text`. */
export async function waitForLog(
  tatara: Tatara,
  build: string,
  step: string,
  text: string,
): Promise<void> {
  const hasPrinted = async () => (await tatara.log(build, step).catch(() => "")).includes(text);
  await until(hasPrinted, true, { deadlineMs: 300_000, everyMs: 50 });
}

/** Waits for the newest status that the own remote shows on a commit, and returns it. */
export async function waitForStatus(
  tatara: Tatara,
  repo: string,
  sha: string,
  state: string,
): Promise<SeenStatus> {
  const newest = async (): Promise<SeenStatus | undefined> =>
    ((await tatara.api(`/api/repos/${repo}/statuses/${sha}`)) as SeenStatus[])[0];
  await until(async () => (await newest())?.state, state, { deadlineMs: 300_000, everyMs: 50 });
  const status = await newest();
  if (status === undefined) throw new Error("The status is gone again.");
  return status;
}
