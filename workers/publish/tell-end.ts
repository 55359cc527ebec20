import { CARD_KIND } from "../../src/domain/failure-kinds.ts";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { Stopped } from "../../src/domain/stop.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { diskRefusal } from "../../src/shared/disk-errors.ts";
import type { FailureCard } from "../../src/shared/message-parts.ts";
import type { FaultMessage } from "../../src/shared/worker-messages.ts";
import type { Publish } from "./publish-context.ts";

const HAND_BACK_TIMEOUT_MS = 3_000;

/** Tells the server why there is nothing live. Never throws: an untold lease ends by itself. */
export async function tellEnd(err: unknown, publish: Publish, signal: AbortSignal): Promise<void> {
  const { grant, logger } = publish;
  const fields = { publishId: grant.publishId, kind: grant.kind, err };
  try {
    if (signal.aborted || err instanceof Stopped) {
      await tellStop(err instanceof Stopped ? err : signal.reason, publish);
    } else if (err instanceof UserFault) {
      logger.info(fields, "Publish refused");
      await send(PATHS.publishFail(grant.publishId), publish, signal, { failure: cardOf(err) });
    } else {
      logger.warn(fields, "Publish could not be finished");
      await send(PATHS.publishFault(grant.publishId), publish, signal, faultOf(err));
    }
  } catch (cause) {
    logger.warn({ ...fields, cause }, "The end of a publish could not be told");
  }
}

async function tellStop(why: unknown, publish: Publish): Promise<void> {
  const { grant, logger } = publish;
  const reason = why instanceof Stopped ? why.reason : "shutdown";
  const fields = { publishId: grant.publishId, kind: grant.kind, reason };
  if (reason === "lease-lost") {
    // A newer attempt owns the publish and says how it ended.
    logger.warn(fields, "Publish was taken away");
    return;
  }
  logger.info(fields, "Publish handed back");
  const limit = AbortSignal.timeout(HAND_BACK_TIMEOUT_MS);
  await send(PATHS.publishHandBack(grant.publishId), publish, limit);
}

async function send(
  path: string,
  { server, grant }: Publish,
  signal: AbortSignal,
  json: unknown = {},
): Promise<void> {
  await server.send({ path, leaseToken: grant.lease.token, json }, signal);
}

/** A message of several lines is several refusals. */
export function cardOf(fault: UserFault): FailureCard {
  const [first = "", ...others] = fault.message.split("\n");
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  return {
    kind: CARD_KIND[fault.code],
    code: fault.code,
    step: null,
    title: `${first.slice(0, 900)}${more}`,
    excerpt: others.length > 0 ? fault.message.slice(0, 16_000) : "",
    file: fault.file ?? null,
    line: fault.line ?? null,
    logLine: null,
    hint: fault.hint.slice(0, 2_000),
    confidence: "high",
    evidence: "fault",
    problems: null,
  };
}

export function faultOf(err: unknown): FaultMessage {
  const message = (err instanceof Error ? err.message : String(err)).slice(0, 4_000);
  if (diskRefusal(err) !== undefined) return { code: "DISK_FULL", message, step: null };
  return { code: err instanceof InfraFault ? err.code : "INTERNAL", message, step: null };
}
