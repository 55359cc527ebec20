import { UserFault } from "../../src/domain/faults.ts";
import { PATHS } from "../../src/shared/protocol.ts";
import { switchAnswer } from "../../src/shared/publish-messages.ts";
import type { SwitchAnswer, SwitchRequest } from "../../src/shared/publish-messages.ts";
import type { StagedGeneration } from "./engine/engine.ts";
import type { PublishDeps } from "./publish-context.ts";
import type { Member } from "./turns.ts";

type SwitchDeps = Pick<PublishDeps, "server" | "signer" | "engine">;

const TIMEOUT_MS = 30_000;
/** An import's packages are rows that somebody has to write. */
const TIMEOUT_PER_PACKAGE_MS = 5;

/** `unheard`: it may have switched, or may do so yet. */
export type Announced = SwitchAnswer | { readonly kind: "unheard"; readonly err: unknown };

/**
 * Asks the server to move the channels' pointers: the only moment that matters, and one transaction
 * for all members. What it refuses is dropped. If its answer is not heard, the generations may be
 * live already and stay where they are.
 */
export async function switchChannels(
  staged: readonly StagedGeneration[],
  members: readonly Member[],
  deps: SwitchDeps,
  signal: AbortSignal,
): Promise<Announced> {
  const json = requestOf(staged, members, deps);
  const packages = json.publishes.reduce((sum, each) => sum + each.packages.length, 0);
  const timeoutMs = TIMEOUT_MS + packages * TIMEOUT_PER_PACKAGE_MS;
  const call = { path: PATHS.publishSwitch(), json, answer: switchAnswer, timeoutMs };
  const drop = () => Promise.all(staged.map((each) => deps.engine.drop(each)));
  const answer = await deps.server.send(call, signal).catch(async (err: unknown) => {
    if (!(err instanceof UserFault)) return { kind: "unheard", err } as const;
    await drop();
    throw err;
  });
  if (answer.kind === "moved" || answer.kind === "refused") await drop();
  return answer;
}

function requestOf(
  staged: readonly StagedGeneration[],
  members: readonly Member[],
  { signer }: SwitchDeps,
): SwitchRequest {
  return {
    generations: staged.map(({ channel, base, number, targets, counts }) => ({
      channel,
      base,
      number,
      targets: { ...targets },
      counts: { ...counts },
    })),
    publishes: members.map(({ publish, prepared }) => ({
      publishId: publish.grant.publishId,
      leaseToken: publish.grant.lease.token,
      packages: [...prepared.packages],
      advisories: [...prepared.advisories],
      warnings: shortened(prepared.warnings),
      durationMs: publish.stopwatch.elapsedMs(),
    })),
    keyFingerprint: signer.fingerprint,
  };
}

const WARNINGS_MAX = 100;
const WARNING_CHARACTERS_MAX = 2_000;

function shortened(warnings: readonly string[]): string[] {
  const cut = warnings.map((text) => text.slice(0, WARNING_CHARACTERS_MAX));
  if (cut.length <= WARNINGS_MAX) return cut;
  return [...cut.slice(0, WARNINGS_MAX - 1), `And ${cut.length - WARNINGS_MAX + 1} more warnings.`];
}
