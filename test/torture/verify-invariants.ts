import type { ForgeDouble } from "../support/forge-double.ts";
import type { Tatara } from "../support/start-tatara.ts";
import { checkClient } from "./invariants/client.ts";
import { checkKept } from "./invariants/kept.ts";
import { checkLogs } from "./invariants/logs.ts";
import { checkOrphans } from "./invariants/orphans.ts";
import { checkPackages } from "./invariants/packages.ts";
import { checkPushes } from "./invariants/pushes.ts";
import { checkStates } from "./invariants/states.ts";
import { checkStatuses } from "./invariants/statuses.ts";
import type { Violation } from "./invariants/violation.ts";
import type { Ledger } from "./ledger.ts";
import { openRecords } from "./records.ts";

/**
 * Compares what was promised (the ledger) with what is: database, engine, forge double, yum tree and
 * a real dnf client. Asked once all is quiet; every difference is a violation.
 */
export async function verifyInvariants(
  tatara: Tatara,
  { ledger, forge }: { readonly ledger: Ledger; readonly forge: ForgeDouble },
): Promise<readonly Violation[]> {
  const { dataDir, url } = tatara;
  using records = openRecords(dataDir);
  return [
    ...checkPushes(records, ledger),
    ...checkStates(records, ledger),
    ...checkStatuses(records, forge),
    ...(await checkOrphans(dataDir)),
    ...(await checkPackages(records, dataDir)),
    ...(await checkLogs(records, tatara)),
    ...(await checkKept(records, tatara)),
    ...(await checkClient(records, url)),
  ];
}
