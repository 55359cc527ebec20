import { createReadStream } from "node:fs";
import { join } from "node:path";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { nameOf } from "./records.ts";
import type { BuildRecord, JobRecord, StepRecord } from "./rows.ts";
import type { Look } from "./world.ts";

const finding = findingsOf("I1");

/**
 * I1 for logs: what a worker was told is kept is there. A failure names the line of its step's log
 * that is to blame, so that line must exist.
 */
export async function checkLogs({ records, dataDir }: Look): Promise<readonly Finding[]> {
  const jobs = Map.groupBy(records.all("jobs"), ({ buildId }) => buildId);
  const steps = Map.groupBy(records.all("steps"), ({ jobId }) => jobId);
  const found: Finding[] = [];
  for (const build of records.all("builds")) {
    // Its time was over: its page says so.
    if (build.logsRemovedAt != null) continue;
    const blamed = blamedLine(build);
    if (blamed === undefined) continue;
    const place = placeOf(blamed.step, jobs.get(build.id) ?? [], steps);
    if (place === undefined) continue;
    const path = join(dataDir, "logs", build.id, place.jobId, place.attempt, `${blamed.step}.log`);
    const lines = await countLines(path);
    if (lines >= blamed.line) continue;
    found.push(
      finding({
        figure: "lost",
        what: "a step's log is shorter than its failure says",
        where: path,
        evidence: `${nameOf(build)} blames line ${blamed.line}; the log has ${lines}`,
        wayOut: "look for disk errors; restore the file from a backup, or run the commit again",
      }),
    );
  }
  return found;
}

function blamedLine({ failureJson }: BuildRecord) {
  if (failureJson === null) return undefined;
  const card = JSON.parse(failureJson) as { step?: unknown; logLine?: unknown };
  if (typeof card.step !== "string" || typeof card.logLine !== "number") return undefined;
  return { step: card.step, line: card.logLine };
}

/** Undefined when several jobs have a failed step of this name: then it is not known whose it is. */
function placeOf(
  name: string,
  jobs: readonly JobRecord[],
  steps: ReadonlyMap<string, readonly StepRecord[]>,
) {
  const failed = jobs.flatMap(({ id, attempt }) =>
    (steps.get(id) ?? [])
      .filter((step) => step.attempt === attempt && step.name === name && step.state === "failed")
      .map(() => ({ jobId: id, attempt: String(attempt) })),
  );
  return failed.length === 1 ? failed[0] : undefined;
}

/** A last line without its end counts. */
async function countLines(path: string): Promise<number> {
  let lines = 0;
  let isOpen = false;
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes = chunk as Buffer;
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
      isOpen = bytes.at(-1) !== 10;
    }
  } catch (err) {
    if (!(err instanceof Error && "code" in err && err.code === "ENOENT")) throw err;
  }
  return lines + (isOpen ? 1 : 0);
}
