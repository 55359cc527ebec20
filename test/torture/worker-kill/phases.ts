import { mkdirSync, watch } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** What a build worker may be doing when it dies, in the order of a build. */
export const PHASES = [
  "claim",
  "plan",
  "checkout",
  "image",
  "test",
  "package",
  "upload",
  "publish request",
  "verify",
] as const;
export type Phase = (typeof PHASES)[number];

/** A job that somebody works on now, and all that is under way of it. */
export interface Held {
  readonly jobId: string;
  readonly attempt: number;
  readonly worker: string;
  readonly phases: readonly Phase[];
}

/** After a file has come to the server others of the same job follow. */
const UPLOADING_MS = 40;

export interface PhaseView extends Disposable {
  /** Workers whose build is being published: their part of it is over. */
  publishing(): readonly string[];
  held(): readonly Held[];
  /** Is there a job that anybody may take? Then an idle worker is about to claim it. */
  hasClaimable(): boolean;
  /** Undefined: there is no such job. */
  attemptOf(jobId: string): { readonly attempt: number; readonly state: string } | undefined;
}

interface Row {
  jobId: string;
  attempt: number;
  worker: string | null;
  kind: string;
  isPlanned: number;
  steps: string | null;
}

/** Asked every few milliseconds, so only what is under way is read. */
export function phaseView(dataDir: string): PhaseView {
  const database = new DatabaseSync(join(dataDir, "tatara.db"), { readOnly: true, timeout: 5_000 });
  const running = database.prepare(`
    SELECT j.id AS jobId, j.attempt, j.worker, j.kind, b.pipelineJson IS NOT NULL AS isPlanned,
      (SELECT group_concat(s.kind || ':' || s.state) FROM steps s
        WHERE s.jobId = j.id AND s.attempt = j.attempt) AS steps
    FROM jobs j JOIN builds b ON b.id = j.buildId WHERE j.state = 'running'`);
  const claimable = database.prepare(`
    SELECT 1 FROM jobs j JOIN builds b ON b.id = j.buildId
    WHERE j.state = 'queued' AND j.isBlocked = 0 AND b.isReady = 1 LIMIT 1`);
  const publishing = database.prepare(`
    SELECT DISTINCT j.worker FROM publishes p JOIN jobs j ON j.buildId = p.buildId
    WHERE p.state IN ('queued', 'running') AND j.kind = 'build' AND j.worker IS NOT NULL`);
  const uploads = join(dataDir, "artifacts");
  mkdirSync(uploads, { recursive: true });
  let uploadedAt = -Infinity;
  const watcher = watch(uploads, { recursive: true }, () => (uploadedAt = performance.now()));
  const one = database.prepare("SELECT attempt, state FROM jobs WHERE id = ?");
  return {
    held: () =>
      (running.all() as unknown as readonly Row[]).map((row) => ({
        jobId: row.jobId,
        attempt: row.attempt,
        worker: row.worker ?? "",
        phases: phasesOf(row, performance.now() - uploadedAt < UPLOADING_MS),
      })),
    publishing: () =>
      (publishing.all() as unknown as readonly { worker: string }[]).map(({ worker }) => worker),
    hasClaimable: () => claimable.get() !== undefined,
    attemptOf: (jobId) =>
      one.get(jobId) as { readonly attempt: number; readonly state: string } | undefined,
    [Symbol.dispose]: () => {
      watcher.close();
      database.close();
    },
  };
}

function phasesOf({ kind, isPlanned, steps }: Row, isUploading: boolean): readonly Phase[] {
  if (isPlanned === 0) return ["plan"];
  const all = (steps ?? "").split(",").filter((step) => step !== "");
  const isRunning = (wanted: string): boolean => all.includes(`${wanted}:running`);
  if (kind === "verify") return isRunning("verify") ? ["verify"] : [];
  // Its steps have ended: only its word that it has ended is missing.
  const isOver = all.length > 0 && all.every((step) => !/:(?:queued|running)$/.test(step));
  if (isOver) return ["publish request"];
  if (isRunning("package") && isUploading) return ["upload"];
  return (["checkout", "image", "test", "package"] as const).filter(isRunning);
}
