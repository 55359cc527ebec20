import type { Finding } from "../../src/invariants/finding.ts";
import { verifyInvariants as verifyWorld } from "../../src/invariants/verify-invariants.ts";
import type { KnownSecret } from "../../src/invariants/world.ts";
import { readWorld } from "../../src/cli/doctor/read-world.ts";
import { processEnv } from "../../src/shared/config.ts";
import type { ForgeDouble } from "../support/forge-double.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { forgeView } from "./forge-view.ts";
import { answersOf } from "./invariants/answers.ts";
import { checkClient } from "./invariants/client.ts";
import { checkKept } from "./invariants/kept.ts";
import { checkLogs } from "./invariants/logs.ts";
import { checkPushes } from "./invariants/pushes.ts";
import { checkReleased } from "./invariants/released.ts";
import { checkStates } from "./invariants/states.ts";
import type { Violation } from "./invariants/violation.ts";
import type { Ledger } from "./ledger.ts";
import { openRecords } from "./records.ts";

export interface Witnesses {
  readonly ledger: Ledger;
  readonly forge: ForgeDouble;
  /** What was planted to be found nowhere. */
  readonly canaries?: readonly KnownSecret[];
}

/**
 * Asked once all is quiet. First what operators ask (`tatara doctor --deep`, the same code), then what
 * only witnesses from outside can tell: the ledger of what was promised, a real dnf, numbered logs.
 */
export async function verifyInvariants(
  tatara: Tatara,
  witnesses: Witnesses,
): Promise<readonly Violation[]> {
  const { ledger } = witnesses;
  const found = await findBroken(tatara, witnesses);
  using records = openRecords(tatara.dataDir);
  return [
    ...found.map(violationOf),
    ...checkPushes(records, ledger),
    ...checkStates(records, ledger),
    ...checkReleased(records),
    ...(await checkLogs(records, tatara)),
    ...(await checkKept(records, tatara)),
    ...(await checkClient(records, tatara.url)),
  ];
}

async function findBroken(
  tatara: Tatara,
  { forge, canaries = [] }: Witnesses,
): Promise<readonly Finding[]> {
  const { dataDir } = tatara;
  const signal = new AbortController().signal;
  await using world = await readWorld({ dataDir, env: processEnv(), now: Date.now, signal });
  const { findings } = await verifyWorld({
    ...world,
    isSettled: true,
    forges: { github: forgeView(forge) },
    secrets: [...world.secrets, ...canaries],
    answers: () => answersOf(tatara),
  });
  return findings;
}

function violationOf({ figure, invariant, where, what, evidence }: Finding): Violation {
  return { figure, what: `${invariant} ${where}: ${what} (${evidence})` };
}
