import type { ForgeDouble } from "../../support/forge-double.ts";
import { startTatara } from "../../support/start-tatara.ts";
import type { Tatara } from "../../support/start-tatara.ts";
import { NEVER_MOVED } from "../invariants/pushes.ts";
import type { Violation } from "../invariants/violation.ts";
import { emptyLedger } from "../ledger.ts";
import type { Ledger } from "../ledger.ts";
import { untilQuiet } from "../quiet.ts";
import { openRecords } from "../records.ts";
import type { SuiteOptions } from "../suite.ts";
import { verifyInvariants } from "../verify-invariants.ts";
import { forgeSettings } from "../under-load.ts";
import { noteFinals } from "../workload.ts";
import type { ImageFiles } from "./image-files.ts";
import type { Told } from "./live.ts";
import type { Chosen } from "./sift.ts";

interface StartParts {
  readonly files: ImageFiles;
  readonly forge: ForgeDouble;
  /** Of the whole recording. */
  readonly ledger: Ledger;
  readonly told: readonly Told[];
  readonly options: SuiteOptions;
}

/** Starts a whole Tatara on a crash image, waits until all of it has ended, and checks everything. */
export async function startOn(chosen: Chosen, parts: StartParts): Promise<readonly Violation[]> {
  const { image, name } = chosen;
  const { files, forge, options } = parts;
  const prepare = (dataDir: string) => files.writeTo(image, dataDir);
  // The forge has gone on since then: a sweep would find pushes of the time after the loss.
  const env = { ...forgeSettings(forge), TATARA_SWEEP_SECONDS: "0" };
  const found = await startTatara({ env, keep: options.keep, prepare }).then(
    (tatara) => checkStarted(tatara, parts),
    (err: unknown): readonly Violation[] => [broken(`it does not start: ${wordsOf(err)}`)],
  );
  return found.map(({ figure, what }) => ({ figure, what: `started ${name}: ${what}` }));
}

async function checkStarted(
  tatara: Tatara,
  { forge, ledger, told, options: { tell } }: StartParts,
): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  try {
    if (!(await untilQuiet(tatara.dataDir))) tell("it did not become quiet");
    using records = openRecords(tatara.dataDir);
    const builds = records.all("builds");
    const moved = builds.filter(({ reason }) => reason !== NEVER_MOVED);
    const kept = ledgerOf(ledger, told, new Set(moved.map(({ after }) => after)));
    noteFinals(kept, builds);
    violations.push(...(await verifyInvariants(tatara, { ledger: kept, forge })));
  } finally {
    await Promise.resolve(tatara[Symbol.asyncDispose]()).catch((err: unknown) => {
      violations.push({ figure: "orphans", what: wordsOf(err) });
    });
  }
  return violations;
}

function broken(what: string): Violation {
  return { figure: "broken", what };
}

function wordsOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}

/** What had been promised by then; of the rest only what is there all the same. */
function ledgerOf(ledger: Ledger, told: readonly Told[], there: ReadonlySet<string>): Ledger {
  const ids = new Set(told.flatMap((one) => (one.kind === "delivery" ? [one.deliveryId] : [])));
  const shas = new Set(told.flatMap((one) => (one.kind === "push" ? [one.sha] : [])));
  return {
    ...emptyLedger(),
    deliveries: ledger.deliveries.filter(({ sameBodyAs }) => ids.has(sameBodyAs)),
    pushes: ledger.pushes.filter(({ after }) => shas.has(after) || there.has(after)),
  };
}
