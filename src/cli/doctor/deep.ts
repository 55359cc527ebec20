import { INVARIANTS } from "../../invariants/finding.ts";
import type { InvariantId, Note } from "../../invariants/finding.ts";
import { hasRecords } from "../../invariants/records.ts";
import { verifyInvariants } from "../../invariants/verify-invariants.ts";
import type { Verdict } from "../../invariants/verify-invariants.ts";
import { readClientConfig } from "../../shared/config.ts";
import type { CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import type { ExitCode } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { Printer } from "../print.ts";
import { readWorld } from "./read-world.ts";

const IDS = Object.keys(INVARIANTS) as InvariantId[];

/**
 * Reads everything that a Tatara has made and says which promise was broken, if any. Changes nothing;
 * in one that runs, only what stays longer than its own repair takes is told.
 */
export async function examineDeep(context: CommandContext): Promise<ExitCode> {
  const { env, signal, now, printer } = context;
  const { dataDir } = readClientConfig(env);
  if (!hasRecords(dataDir)) {
    const hint = "Run it where the data folder is, and set TATARA_DATA_DIR.";
    throw new CommandError(EXIT.usage, `There is no tatara.db in ${dataDir}.`, hint);
  }
  await using world = await readWorld({ dataDir, env, signal, now });
  const state = world.isServing ? "runs" : "is stopped";
  printer.progress(`${dataDir} ${state}. All of it is read; this may take minutes.`);
  const verdict = await verifyInvariants(world);
  if (context.isJson) answerJson(context, jsonOf(verdict));
  else show(printer, verdict);
  return verdict.findings.length === 0 ? EXIT.ok : EXIT.failed;
}

function jsonOf({ findings, gaps, notes }: Verdict) {
  return {
    healthy: findings.length === 0,
    findings: findings.map(facts),
    notes: notes.map(facts),
    notJudged: gaps,
  };
}

function facts({ invariant, where, what, evidence, wayOut }: Note): Note {
  return { invariant, where, what, evidence, wayOut };
}

function show(printer: Printer, { findings, gaps, notes }: Verdict): void {
  for (const id of IDS) {
    const own = findings.filter(({ invariant }) => invariant === id);
    const gap = gaps.find(({ invariant }) => invariant === id);
    const verdict =
      own.length > 0
        ? ({ ink: "red", text: "BROKEN" } as const)
        : gap === undefined
          ? ({ ink: "green", text: "kept  " } as const)
          : ({ ink: "yellow", text: "partly" } as const);
    const why = own.length === 0 && gap !== undefined ? `   (${gap.why})` : "";
    printer.answer("  ", verdict, `  ${id}  ${INVARIANTS[id]}${why}`);
    for (const finding of own) showNote(printer, finding);
    for (const note of notes) if (note.invariant === id) showNote(printer, note, "note: ");
  }
  const told =
    notes.length === 0 ? "" : `, ${notes.length} ${notes.length === 1 ? "note" : "notes"}`;
  printer.answer(`${findings.length} ${findings.length === 1 ? "finding" : "findings"}${told}`);
}

function showNote(printer: Printer, { where, what, evidence, wayOut }: Note, mark = ""): void {
  const indent = " ".repeat(14);
  printer.answer(`${indent}${mark}${where}: ${what}`);
  printer.answer(`${indent}  seen: ${evidence}`);
  printer.answer(`${indent}  do: ${wayOut}`);
}
