import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { startedAnswer } from "../../../src/shared/build-messages.ts";
import type { BuildGrant } from "../../../src/shared/build-messages.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import { PATHS } from "../../../src/shared/protocol.ts";
import type { ServerClient } from "../../../src/shared/server-client.ts";
import type { HeldAttempt } from "../../../src/shared/worker-messages.ts";
import { hasSameSecrets, readAttempt, writeAttempt } from "./attempt-file.ts";
import type { AttemptFile } from "./attempt-file.ts";
import { readJournal } from "./journal.ts";
import type { JournalStory } from "./journal.ts";

const LOG = /^(.+)\.log$/;

/** An attempt that the server lets this worker go on with. */
export interface ReturnedJob {
  readonly grant: BuildGrant;
  readonly dir: string;
  readonly life: number;
  readonly story: JournalStory;
  /** What the server has of each of its logs, in bytes. */
  readonly logs: Readonly<Record<string, number>>;
}

export interface ReturnDeps {
  readonly client: ServerClient;
  readonly workerId: string;
  /** Folder with one sub-folder per attempt. */
  readonly jobsDir: string;
  readonly bootId: string;
  readonly logger: Logger;
}

/** Tells the server that this worker has started anew, and with what; what it may go on with. */
export async function askForJobs(
  deps: ReturnDeps,
  signal: AbortSignal,
): Promise<readonly ReturnedJob[]> {
  const { client, workerId } = deps;
  const onDisk = await readHeld(deps);
  const held = await Promise.all(onDisk.map(heldOf));
  const json = { worker: workerId, held };
  const call = { path: PATHS.buildStarted(), json, answer: startedAnswer };
  const { resumed } = await client.send(call, signal);

  const returned: ReturnedJob[] = [];
  for (const { grant, logs } of resumed) {
    const one = onDisk.find(({ attempt }) => attempt.jobId === grant.jobId);
    if (one === undefined || !(await isWanted(deps, one, grant, signal))) continue;
    const { dir, story, attempt } = one;
    const life = attempt.life + 1;
    const file = { ...attempt, life, token: grant.lease.token, nextToken: null };
    if (!(await isWritten(deps, dir, file))) {
      await handBack(deps, grant, signal);
      continue;
    }
    returned.push({ grant, dir, life, story, logs });
  }
  const kept = new Set(returned.map(({ dir }) => dir));
  const lost = onDisk.filter(({ dir }) => !kept.has(dir));
  await Promise.all(lost.map(({ dir }) => rm(dir, { recursive: true, force: true })));
  return returned;
}

interface OnDisk {
  readonly dir: string;
  readonly attempt: AttemptFile;
  readonly story: JournalStory;
}

/** What was begun before the machine was booted is gone, whatever the folder says. */
async function readHeld(deps: ReturnDeps): Promise<readonly OnDisk[]> {
  const { jobsDir, bootId } = deps;
  const names = await readdir(jobsDir).catch(() => []);
  const found = names.map(async (name): Promise<readonly OnDisk[]> => {
    const dir = join(jobsDir, name);
    const attempt = await readAttempt(dir);
    if (attempt === undefined || attempt.bootId !== bootId) return [];
    // The server hears of the next token before anybody uses it; asked twice, it is the same one.
    const nextToken = attempt.nextToken ?? randomBytes(32).toString("base64url");
    const known = { ...attempt, nextToken };
    // Without it nobody could come back a second time, so nobody comes back at all.
    if (!(await isWritten(deps, dir, known))) return [];
    return [{ dir, attempt: known, story: await readJournal(dir) }];
  });
  return (await Promise.all(found)).flat();
}

async function heldOf({ dir, attempt, story }: OnDisk): Promise<HeldAttempt> {
  const { jobId, token, nextToken, life } = attempt;
  const names = await readdir(dir);
  const logs = names.flatMap((name) => LOG.exec(name)?.[1] ?? []);
  return { jobId, token, nextToken: nextToken ?? token, wasWorkedOn: story.life === life, logs };
}

/** Containers have the secrets of when they were started; others could not be hidden in their logs. */
async function isWanted(
  deps: ReturnDeps,
  { attempt, story }: OnDisk,
  grant: BuildGrant,
  signal: AbortSignal,
): Promise<boolean> {
  const { jobId, lease, secrets } = grant;
  if (attempt.attempt !== lease.attempt) return false;
  const given = [...story.opened.values()].flatMap((opened) => opened.secrets);
  if (hasSameSecrets(attempt, secrets, given)) return true;
  deps.logger.warn({ jobId }, "Job not resumed: its secrets were changed meanwhile");
  await handBack(deps, grant, signal);
  return false;
}

/** A full disk must not keep a worker from starting. */
async function isWritten({ logger }: ReturnDeps, dir: string, file: AttemptFile): Promise<boolean> {
  try {
    await writeAttempt(dir, file);
    return true;
  } catch (err) {
    logger.warn({ err, jobId: file.jobId }, "Job not resumed: its file cannot be written");
    return false;
  }
}

async function handBack(
  { client, logger }: ReturnDeps,
  { jobId, lease }: BuildGrant,
  signal: AbortSignal,
): Promise<void> {
  await client
    .send({ path: PATHS.handBack(jobId), leaseToken: lease.token }, signal)
    .catch((err: unknown) => logger.warn({ err, jobId }, "Job not handed back"));
}
