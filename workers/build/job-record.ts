import { createReadStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Stopped } from "../../src/domain/stop.ts";
import { diskRefusal, isDiskFault } from "../../src/shared/disk-errors.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { endAnswer, logAnswer, planAnswer } from "../../src/shared/build-messages.ts";
import type {
  BuildGrant,
  EndMessage,
  KeptMessage,
  PlanAnswer,
  PlanMessage,
  ReportsMessage,
  StepMessage,
} from "../../src/shared/build-messages.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import { fetchKept } from "./keep/fetch-kept.ts";
import type { KeptCopy } from "./keep/job-kept.ts";
import type { Lease } from "./lease.ts";
import { maskedMessages } from "./log/masked-messages.ts";
import { openSpool } from "./log/spool.ts";
import type { SendChunk } from "./log/spool.ts";
import type { SpoolBudget } from "./log/spool-budget.ts";
import type { JobMemory } from "./resume/job-memory.ts";
import type { Journal, StepMemo } from "./resume/journal.ts";
import { openStepLog } from "./log/step-log.ts";
import type { StepLog } from "./log/step-log.ts";

const UPLOAD_TIMEOUT_MS = 30 * 60 * 1_000;
const HAND_BACK_TIMEOUT_MS = 3_000;
/** A server that loses logs more often than this gets the end without them. */
const RESENDS_MAX = 3;

/**
 * What the server is told about an attempt. Steps and logs are sent in order and in the background, so
 * that no step waits for the server; `end` waits until everything before it was acknowledged.
 */
export interface JobRecord {
  /** Throws the server's `UserFault` when it refuses the plan. */
  plan(plan: PlanMessage): Promise<PlanAnswer>;
  /** The log of a step, or of a service beside it (`unit~db`); the same one however often it is asked for. */
  log(name: string): StepLog;
  /** Tells a change of a step; its end only after its whole log. `memo`: for a later life of this worker. */
  step(name: string, message: StepMessage, memo?: StepMemo): void;
  /** Files by their content; one that the server has already costs nothing but the question. */
  upload(file: { readonly sha256: string; readonly path: string }): Promise<void>;
  /** What a step keeps, after its files were uploaded; told before the step's end. */
  kept(step: string, message: KeptMessage): void;
  /** One part of what a step's reports say; told before the step's end. */
  reports(step: string, message: ReportsMessage): void;
  /** What tests kept in another job of the build, copied into this folder. */
  fetchKept(dir: string, signal: AbortSignal): Promise<readonly KeptCopy[]>;
  end(message: EndMessage): Promise<void>;
  fault(message: FaultMessage): Promise<void>;
  handBack(): Promise<void>;
  /** Drops what the server did not take. */
  close(): Promise<void>;
}

/** Opens the record of one attempt; `dir` is the attempt's own folder. */
export type OpenJobRecord = (
  grant: Pick<BuildGrant, "jobId" | "build" | "job" | "secrets" | "clone">,
  place: {
    readonly lease: Lease;
    readonly dir: string;
    readonly journal: Journal;
    readonly memory: Pick<JobMemory, "ended" | "logs">;
  },
) => JobRecord;

/** Records of a worker's attempts, kept by the server. */
export function serverRecords(deps: {
  readonly client: ServerClient;
  readonly budget: SpoolBudget;
}): OpenJobRecord {
  return (grant, place) => openJobRecord(grant, { ...deps, ...place });
}

interface JobRecordDeps {
  readonly client: ServerClient;
  readonly lease: Lease;
  readonly budget: SpoolBudget;
  readonly dir: string;
  readonly journal: Journal;
  readonly memory: Pick<JobMemory, "ended" | "logs">;
}

function openJobRecord(
  { jobId, secrets, clone }: Pick<BuildGrant, "jobId" | "secrets" | "clone">,
  { client, lease, budget, dir, journal, memory }: JobRecordDeps,
): JobRecord {
  const hidden = [
    ...secrets.map(({ value }) => value),
    ...credentialParts(clone.authorization),
    lease.token,
  ];
  const masked = maskedMessages(hidden);
  const closed = new AbortController();
  const talking = AbortSignal.any([lease.talking, closed.signal]);
  let failure: { readonly err: unknown } | undefined;
  let told: Promise<void> = Promise.resolve();

  const send = async (path: string, json: unknown): Promise<void> => {
    await client.send({ path, leaseToken: lease.token, json }, talking);
  };
  /** One after the other. What fails is told by `settled`: nobody waits for a single one. */
  const tell = (work: () => Promise<void>): void => {
    told = told.then(async () => {
      if (failure) return;
      await work().catch((err: unknown) => {
        failure = { err };
        if (err instanceof Stopped) lease.lose();
      });
    });
  };
  const settled = async (): Promise<void> => {
    await told;
    if (failure) throw failure.err;
  };
  const logs = jobLogs((name) => {
    const call = { path: PATHS.log(jobId, name), leaseToken: lease.token, answer: logAnswer };
    const sendChunk = (offset: number, bytes: Uint8Array) =>
      client.send({ ...call, query: { offset }, bytes }, talking);
    return spooledLog(name, { dir, hidden, memory }, { budget, send: sendChunk });
  });
  // A server that lost power may lack the end of what an earlier life of this worker told it whole.
  for (const name of memory.logs.keys()) {
    if ([...memory.ended.keys()].some((step) => isLogOf(step, name)))
      tell(() => logs.of(name).end());
  }
  // Written down before they were told: the server may not have heard of them.
  memory.ended.forEach(({ message }, step) => tell(() => send(PATHS.step(jobId, step), message)));

  return {
    log: logs.of,
    plan: (json) =>
      client.send(
        { path: PATHS.plan(jobId), json, leaseToken: lease.token, answer: planAnswer },
        talking,
      ),
    step: (step, given, memo = {}) =>
      tell(async () => {
        const message = masked.step(given);
        if (given.state !== "running") {
          await logs.end(step);
          await journal.ended({ step, message, memo: masked.memo(memo) });
        }
        await send(PATHS.step(jobId, step), message);
      }),
    kept: (step, message) => tell(() => send(PATHS.kept(jobId, step), masked.kept(message))),
    reports: (step, message) =>
      tell(() => send(PATHS.reports(jobId, step), masked.reports(message))),
    upload: (file) =>
      client.send({ ...uploadCall(jobId, file), leaseToken: lease.token }, lease.signal),
    fetchKept: (to, signal) => {
      return fetchKept(client, { jobId, leaseToken: lease.token, dir: to }, signal);
    },
    end: async (message) => {
      await settled();
      const call = { path: PATHS.end(jobId), leaseToken: lease.token };
      await sendEnd(client, { ...call, message: masked.end(message), logs }, talking);
    },
    fault: async (message) => {
      // What could not be told before is no reason to keep the fault from the server.
      const before = await settled().catch((err: unknown) => err);
      await send(PATHS.fault(jobId), masked.fault(withRefusal(message, before)));
    },
    handBack: async () => {
      const limit = AbortSignal.any([lease.talking, AbortSignal.timeout(HAND_BACK_TIMEOUT_MS)]);
      await client.send({ path: PATHS.handBack(jobId), leaseToken: lease.token }, limit);
    },
    close: async () => {
      // A server that is away must not keep an attempt open that nobody waits for.
      closed.abort(new Error("The attempt's record is closed."));
      try {
        await logs.close();
      } finally {
        await journal.close();
      }
    },
  };
}

/** A disk that refused a log or the journal is told too: it may be behind the fault, which may hide it. */
function withRefusal(fault: FaultMessage, before: unknown): FaultMessage {
  const refusal = diskRefusal(before);
  if (refusal === undefined || isDiskFault(fault)) return fault;
  const { why, code, call, path } = refusal;
  const what = [call, path].filter(Boolean).join(" ");
  const told = `before that the worker's disk refused ${what || "a write"}, for ${why} (${code})`;
  return { ...fault, message: `${fault.message.slice(0, 3_000)}; ${told}`.slice(0, 4_000) };
}

/** A server whose machine lost power asks for the ends of logs that it had, before it takes the job's. */
async function sendEnd(
  client: ServerClient,
  {
    message,
    logs,
    ...call
  }: {
    readonly path: string;
    readonly leaseToken: string;
    readonly message: EndMessage;
    readonly logs: Pick<ReturnType<typeof jobLogs>, "sizes" | "resend">;
  },
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; tries < RESENDS_MAX; tries += 1) {
    const json = { ...message, logs: logs.sizes() };
    const { resend } = await client.send({ ...call, json, answer: endAnswer }, signal);
    if (resend == null) return;
    await logs.resend(resend);
  }
  await client.send({ ...call, json: message }, signal);
}

/** The body is opened anew for each try. */
function uploadCall(
  jobId: string,
  { sha256, path }: { readonly sha256: string; readonly path: string },
) {
  return {
    path: PATHS.artifact(jobId, sha256),
    method: "PUT",
    openBody: () => Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>,
    timeoutMs: UPLOAD_TIMEOUT_MS,
  } as const;
}

/** On this worker's disk until it is sent, and beyond: a later life of the worker goes on from there. */
function spooledLog(
  name: string,
  {
    dir,
    hidden,
    memory,
  }: Pick<JobRecordDeps, "dir" | "memory"> & { readonly hidden: readonly string[] },
  spool: { readonly budget: SpoolBudget; readonly send: SendChunk },
): StepLog {
  const recovered = memory.logs.get(name);
  const open = () => openSpool(logPath(dir, name), spool, recovered?.spool);
  return openStepLog(hidden, open, { recovered, dir });
}

/** A step's name is a file's name, and so is a service's beside it: `unit~db`. */
export function logPath(dir: string, name: string): string {
  return join(dir, `${name}.log`);
}

/** The step's own, or that of a service beside it. */
export function isLogOf(step: string, name: string): boolean {
  return name === step || name.startsWith(`${step}~`);
}

/** The logs of a job's steps, each opened when it is first asked for. */
export function jobLogs(open: (name: string) => StepLog) {
  const logs = new Map<string, StepLog>();
  return {
    of: (name: string): StepLog => {
      const known = logs.get(name) ?? open(name);
      logs.set(name, known);
      return known;
    },
    /** A step's own, and those of the services beside it. */
    end: async (step: string): Promise<void> => {
      for (const [name, each] of logs) {
        if (isLogOf(step, name)) await each.end();
      }
    },
    /** Of those that have ended and have any. */
    sizes: (): Readonly<Record<string, number>> =>
      Object.fromEntries(
        [...logs]
          .map(([name, each]) => [name, each.sizeBytes()] as const)
          .filter(([, size]) => size),
      ),
    resend: async (ends: Readonly<Record<string, number>>): Promise<void> => {
      for (const [name, fromBytes] of Object.entries(ends)) await logs.get(name)?.resend(fromBytes);
    },
    close: async (): Promise<void> => {
      // All of them, also when the disk refuses to remove one.
      const closed = await Promise.allSettled([...logs.values()].map((each) => each.close()));
      for (const each of closed) if (each.status === "rejected") throw each.reason;
    },
  };
}

/** A credential is also a secret without the word before it, and the password alone. */
function credentialParts(authorization: string | null): readonly string[] {
  if (authorization === null) return [];
  const value = authorization.replace(/^\S+\s+/, "");
  if (!/^basic\s/i.test(authorization)) return [value];
  const password = Buffer.from(value, "base64")
    .toString()
    .replace(/^[^:]*:/, "");
  return [value, password];
}
