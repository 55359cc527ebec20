import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { isFinal } from "../../../src/domain/states.ts";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";
import type { ProcessSpec } from "../../../src/cli/processes/process-table.ts";
import { openTickets } from "../../../src/shared/queues.ts";
import { startForgeDouble } from "../../support/forge-double.ts";
import type { ForgeDouble } from "../../support/forge-double.ts";
import { silentLogger } from "../../support/silent-logger.ts";
import { tinyRepo } from "../../support/sample-files.ts";
import { startTatara } from "../../support/start-tatara.ts";
import type { Tatara, TestRepo } from "../../support/start-tatara.ts";
import { ZEROS } from "../../support/github-deliveries.ts";
import { emptyLedger } from "../ledger.ts";
import type { Ledger } from "../ledger.ts";
import { openRecords } from "../records.ts";
import { LOG_LINES } from "../sample-push.ts";
import type { Records } from "../records.ts";
import { openGitTrap } from "./git-trap.ts";
import type { GitTrap } from "./git-trap.ts";
import { openRefusals } from "./refusals.ts";
import type { Refusals } from "./refusals.ts";

const REPO = "disk/tiny";
/** The lines that the check of logs looks for. */
const COUNT = `i=0; while [ $i -lt ${LOG_LINES} ]; do i=$((i+1)); echo "line $i"; done`;
const MAIN = "refs/heads/main";
const LIFE_MS = 20_000;
/** Three attempts on a machine that is busy with other things. */
const RECOVERY_MS = 300_000;
const LOOK_EVERY_MS = 50;
/** A stale lock of git is removed after ten seconds. */
const PUSH_TRIES = 60;

/** A whole Tatara, one small repo, and traps for the disk calls of every process. */
export interface World {
  readonly tatara: Tatara;
  readonly forge: ForgeDouble;
  readonly ledger: Ledger;
  readonly gitTrap: GitTrap;
  readonly refusals: Refusals;
  /**
   * Pushes a commit with everything in it that leaves something on a disk. Returns the commit, and
   * whether the first try was taken; it is tried again until it was.
   */
  push(): Promise<{ readonly sha: string; readonly firstTry: boolean }>;
  /** Waits until the commit's build has ended or pauses before its next attempt. */
  settled(sha: string): Promise<void>;
  /** The disk is well again: the state in which the commit's build ends now. */
  ended(sha: string): Promise<string>;
}

export async function openWorld(keep: boolean): Promise<World & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "tatara-disk-"));
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const refusals = await openRefusals(dir);
  undo.defer(() => refusals.close());
  const gitTrap = await openGitTrap(join(dir, "bin"), refusals.env);
  const forge = undo.use(await startForgeDouble());
  const refusable = <S extends ProcessSpec>(spec: S): S => ({
    ...spec,
    settings: [...spec.settings, ...Object.keys(refusals.env)],
  });
  const tatara = undo.use(
    await startTatara({
      keep,
      env: {
        ...refusals.env,
        PATH: `${gitTrap.dir}:${process.env["PATH"] ?? ""}`,
        TATARA_BUILD_SLOTS: "2",
      },
      processes: {
        server: refusable(PROCESSES.server),
        workers: PROCESSES.workers.map(refusable),
      },
    }),
  );
  const ledger = emptyLedger();
  const repo = await tatara.createRepo(REPO, { "README.md": "# tiny\n" });
  const owned = undo.move();
  return {
    tatara,
    forge,
    ledger,
    gitTrap,
    refusals,
    push: pusher(repo, ledger),
    settled: (sha) => untilSettled(tatara.dataDir, sha),
    ended: (sha) => untilEnded(tatara, sha),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function pusher(repo: TestRepo, ledger: Ledger): World["push"] {
  let serial = 0;
  let before = ZEROS;
  return async () => {
    serial += 1;
    const files = tinyRepo({ name: "tiny-disk" });
    const spec = (files["tiny.spec"] ?? "").replace("Version: 1.0", `Version: 1.${serial}`);
    const pipeline = `test:\n  unit:\n    run: ${JSON.stringify(`${COUNT}; echo ${serial} > out.txt`)}\n    keep: out.txt\npackage: { spec: tiny.spec, verify: false }\npublish: dev\n`;
    const sha = await repo.commit(
      { ...files, "tiny.spec": spec, ".tatara.yml": pipeline },
      `push ${serial}`,
    );
    let tries = 0;
    for (;;) {
      tries += 1;
      const err = await repo.push().then(
        () => undefined,
        (cause: unknown) => cause,
      );
      if (err === undefined) break;
      if (tries === PUSH_TRIES) throw err;
      await delay(300);
    }
    ledger.pushes.push({
      forge: "own",
      repo: REPO,
      ref: MAIN,
      before,
      after: sha,
      kind: "passing",
    });
    before = sha;
    return { sha, firstTry: tries === 1 };
  };
}

async function untilSettled(dataDir: string, sha: string): Promise<void> {
  const endAt = performance.now() + LIFE_MS;
  while (performance.now() < endAt) {
    if (isSettled(dataDir, sha)) return;
    await delay(LOOK_EVERY_MS);
  }
}

function isSettled(dataDir: string, sha: string): boolean {
  using records = openRecords(dataDir);
  // A push that was refused after it was recorded leaves a row of its own.
  const build = records.all("builds").findLast((one) => one.after === sha);
  if (build === undefined) return false;
  return isFinal(build.state) || pausedOf(records, build.id).length > 0;
}

interface Paused {
  readonly table: "jobs" | "publishes";
  readonly id: string;
  readonly attempt: number;
}

function pausedOf(records: Records, buildId: string): readonly Paused[] {
  return (["jobs", "publishes"] as const).flatMap((table) =>
    records
      .all(table)
      .filter((one) => one.buildId === buildId && one.state === "queued")
      .filter(({ notBeforeAt }) => notBeforeAt > Date.now())
      .map(({ id, attempt }) => ({ table, id, attempt })),
  );
}

/**
 * The disk is well again: what pauses before its next attempt goes on at once, for half a minute per
 * fault would make hours. Returns the state in which the commit's build ends.
 */
async function untilEnded({ dataDir, supervisor }: Tatara, sha: string): Promise<string> {
  const endAt = performance.now() + RECOVERY_MS;
  const redisUrl = join(dataDir, "redis", "redis.sock");
  await using undo = new AsyncDisposableStack();
  const tickets = openTickets({ redisUrl, logger: silentLogger, onConnect: () => undefined });
  undo.defer(() => tickets.close());
  for (;;) {
    const { state, paused } = lookAt(dataDir, sha);
    if (isFinal(state) || performance.now() > endAt) return state;
    for (const one of paused) {
      if (supervisor.pidOf("server") === undefined) continue;
      hurry(dataDir, one);
      const queue = one.table === "jobs" ? "build" : "publish";
      await tickets.add(queue, `${one.id}-${one.attempt}`).catch(() => undefined);
    }
    await delay(LOOK_EVERY_MS);
  }
}

function lookAt(dataDir: string, sha: string) {
  using records = openRecords(dataDir);
  // A push that was refused after it was recorded leaves a row of its own.
  const build = records.all("builds").findLast((one) => one.after === sha);
  if (build === undefined) return { state: "queued", paused: [] } as const;
  return { state: build.state, paused: pausedOf(records, build.id) };
}

function hurry(dataDir: string, { table, id }: Paused): void {
  const database = new DatabaseSync(join(dataDir, "tatara.db"), { timeout: 5_000 });
  try {
    database.prepare(`UPDATE "${table}" SET "notBeforeAt" = 0 WHERE "id" = ?`).run(id);
  } finally {
    database.close();
  }
}
