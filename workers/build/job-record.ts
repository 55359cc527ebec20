import { createReadStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Stopped } from "../../src/domain/stop.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { logAnswer } from "../../src/shared/build-messages.ts";
import type {
  BuildGrant,
  EndMessage,
  PlanMessage,
  StepMessage,
} from "../../src/shared/build-messages.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import type { Lease } from "./lease.ts";
import type { RpmFile } from "./rpm-files.ts";
import { openSpool } from "./log/spool.ts";
import type { SpoolBudget } from "./log/spool.ts";
import { openStepLog } from "./log/step-log.ts";
import type { StepLog } from "./log/step-log.ts";

const UPLOAD_TIMEOUT_MS = 30 * 60 * 1_000;
const HAND_BACK_TIMEOUT_MS = 3_000;

/**
 * What the server is told about an attempt. Steps and logs are sent in order and in the background, so
 * that no step waits for the server; `end` waits until everything before it was acknowledged.
 */
export interface JobRecord {
  plan(plan: PlanMessage): Promise<void>;
  /** The log of a step; the same one however often it is asked for. */
  log(step: string): StepLog;
  /** Tells a change of a step; its end only after its whole log. */
  step(name: string, message: StepMessage): void;
  upload(file: RpmFile): Promise<void>;
  end(message: EndMessage): Promise<void>;
  fault(message: FaultMessage): Promise<void>;
  handBack(): Promise<void>;
  /** Drops what the server did not take. */
  close(): Promise<void>;
}

export interface JobRecordDeps {
  readonly client: ServerClient;
  readonly lease: Lease;
  readonly budget: SpoolBudget;
  readonly dir: string;
}

export function openJobRecord(
  { jobId, secrets, clone }: Pick<BuildGrant, "jobId" | "secrets" | "clone">,
  { client, lease, budget, dir }: JobRecordDeps,
): JobRecord {
  const hidden = [...secrets, ...credentialParts(clone.authorization), lease.token];
  const logs = new Map<string, StepLog>();
  const closed = new AbortController();
  const talking = AbortSignal.any([lease.talking, closed.signal]);
  let failure: { readonly err: unknown } | undefined;
  let told: Promise<void> = Promise.resolve();

  const send = async (path: string, json?: unknown): Promise<void> => {
    const body = json === undefined ? {} : { json };
    await client.send({ path, leaseToken: lease.token, ...body }, talking);
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
  const openLog = (step: string): StepLog =>
    openStepLog(hidden, () =>
      openSpool(join(dir, `${step}.log`), {
        budget,
        send: (offset, bytes) =>
          client.send(
            {
              path: PATHS.log(jobId, step),
              query: { offset },
              bytes,
              leaseToken: lease.token,
              answer: logAnswer,
            },
            talking,
          ),
      }),
    );
  const log = (step: string): StepLog => {
    const known = logs.get(step) ?? openLog(step);
    logs.set(step, known);
    return known;
  };

  return {
    log,
    plan: (plan) => send(PATHS.plan(jobId), plan),
    step: (name, message) =>
      tell(async () => {
        if (message.state !== "running") await logs.get(name)?.end();
        await send(PATHS.step(jobId, name), message);
      }),
    upload: ({ sha256, path }) =>
      client.send(
        {
          path: PATHS.artifact(jobId, sha256),
          method: "PUT",
          openBody: () => Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>,
          leaseToken: lease.token,
          timeoutMs: UPLOAD_TIMEOUT_MS,
        },
        lease.signal,
      ),
    end: async (message) => {
      await settled();
      await send(PATHS.end(jobId), message);
    },
    fault: async (message) => {
      // What could not be told before is no reason to keep the fault from the server.
      await settled().catch(() => undefined);
      await send(PATHS.fault(jobId), message);
    },
    handBack: async () => {
      const limit = AbortSignal.any([lease.talking, AbortSignal.timeout(HAND_BACK_TIMEOUT_MS)]);
      await client.send({ path: PATHS.handBack(jobId), leaseToken: lease.token }, limit);
    },
    close: async () => {
      // A server that is away must not keep an attempt open that nobody waits for.
      closed.abort(new Error("The attempt's record is closed."));
      await Promise.all([...logs.values()].map((each) => each.close()));
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
