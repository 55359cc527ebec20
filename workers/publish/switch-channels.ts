import { UserFault } from "../../src/domain/faults.ts";
import { PATHS, switchAnswer } from "../../src/shared/protocol.ts";
import type { PublishedPackage, SwitchAnswer, SwitchRequest } from "../../src/shared/protocol.ts";
import { dropGeneration } from "./generation.ts";
import type { Generation } from "./generation.ts";
import type { Publish, ReadyPackage } from "./publish-context.ts";

/**
 * Asks the server to move the channels' pointers: the only moment that matters. What it refuses is
 * dropped. If its answer is not heard, the generations may be live already and stay where they are.
 */
export async function switchChannels(
  staged: readonly Generation[],
  ready: readonly ReadyPackage[],
  publish: Publish,
  signal: AbortSignal,
): Promise<SwitchAnswer> {
  const { grant, server } = publish;
  const path = PATHS.publishSwitch(grant.publishId);
  const json = requestOf(staged, ready, publish);
  const call = { path, leaseToken: grant.lease.token, json, answer: switchAnswer };
  try {
    const answer = await server.send(call, signal);
    if (answer.kind !== "live") await dropAll(staged, publish);
    return answer;
  } catch (err) {
    if (err instanceof UserFault) await dropAll(staged, publish);
    throw err;
  }
}

/** For generations that were certainly not announced. */
export async function dropAll(
  staged: readonly Generation[],
  { yumDir }: Pick<Publish, "yumDir">,
): Promise<void> {
  await Promise.all(staged.map((generation) => dropGeneration(yumDir, generation)));
}

function requestOf(
  staged: readonly Generation[],
  ready: readonly ReadyPackage[],
  { signer, stopwatch }: Publish,
): SwitchRequest {
  return {
    generations: staged.map(({ channel, base, number, targets }) => ({
      channel,
      base,
      number,
      targets: sinceOf(targets),
    })),
    packages: ready.map(publishedPackageOf),
    durationMs: stopwatch.elapsedMs(),
    keyFingerprint: signer.fingerprint,
  };
}

function sinceOf(targets: Generation["targets"]): Record<string, number> {
  return Object.fromEntries(Object.entries(targets).map(([name, { since }]) => [name, since]));
}

function publishedPackageOf(rpm: ReadyPackage): PublishedPackage {
  return {
    nevra: rpm.nevra,
    summary: rpm.summary,
    license: rpm.license,
    unsignedSha256: rpm.built.sha256,
    signedSha256: rpm.signed.sha256,
    sizeBytes: rpm.signed.sizeBytes,
    fileName: rpm.signed.fileName,
    target: rpm.target,
  };
}
