import type { ChangePlan, PlanLine } from "../../shared/channel-changes.ts";
import type { Line } from "../print.ts";

const LINES_MAX = 40;

/**
 * The plan as people read it: what, for which targets, what it replaces, and what is wrong with it.
 * `isChecked`: the channels want to know whether it would install.
 */
export function planLines(plan: ChangePlan, isChecked: boolean): readonly Line[] {
  return [
    [{ ink: "bold", text: plan.title }, `   ${targetsSaid([...plan.add, ...plan.remove])}`],
    ...packageLines(plan, isChecked),
    ...plan.warnings.map((warning): Line => [
      "  ",
      { ink: "yellow", text: "warn" },
      `  ${warning}`,
    ]),
    ...bounded(plan.problems.flatMap(problemLines)),
  ];
}

/** `el9, el10 (x86_64, aarch64)`; sources and debug packages go along unsaid. */
function targetsSaid(lines: readonly PlanLine[]): string {
  const targets = [...new Set(lines.map(({ target }) => target))];
  const main = targets.filter((target) => !isSibling(target));
  const parts = (main.length > 0 ? main : targets).map((target) => target.split("."));
  const each = (at: number): string => [...new Set(parts.map((part) => part[at] ?? ""))].join(", ");
  return parts.length === 0 ? "" : `${each(0)} (${each(1)})`;
}

function isSibling(target: string): boolean {
  return /-(?:source|debug)$/.test(target);
}

interface Fate {
  readonly channel: string;
  readonly nevra: string;
  readonly fate: string;
}

/** `  replaces 1.3.2-1   dependencies ok` for one package; a line for each of several. */
function packageLines(
  { kind, add, remove, problems }: ChangePlan,
  isChecked: boolean,
): readonly Line[] {
  const fates = distinct([
    ...add.filter(isShown).map((line) => ({ ...line, fate: fateOfAdded(line) })),
    ...remove.filter(isShown).map((line) => ({ ...line, fate: fateOfRemoved(line) })),
  ]);
  const isOfInterest = (kind === "promote" || kind === "yank") && problems.length === 0;
  const verdict = isOfInterest ? `dependencies ${isChecked ? "ok" : "not checked"}` : "";
  const [only] = fates;
  if (only === undefined) return [];
  if (fates.length === 1) return [[`  ${[only.fate, verdict].filter(Boolean).join("   ")}`]];

  const isOneChannel = new Set(fates.map(({ channel }) => channel)).size === 1;
  const columns = (of: (fate: Fate) => string): number =>
    Math.max(...fates.map((fate) => of(fate).length));
  const channelColumns = isOneChannel ? 0 : columns(({ channel }) => channel) + 3;
  const nevraColumns = columns(({ nevra }) => nevra) + 3;
  return [
    ...bounded(
      fates.map(({ channel, nevra, fate }): Line => {
        const place = isOneChannel ? "" : channel.padEnd(channelColumns);
        return [`  ${place}${nevra.padEnd(nevraColumns)}${fate}`];
      }),
    ),
    ...(verdict === "" ? [] : [[`  ${verdict}`]]),
  ];
}

function isShown({ target }: PlanLine): boolean {
  return !isSibling(target);
}

function distinct(fates: readonly Fate[]): readonly Fate[] {
  const byKey = new Map(
    fates.map(({ channel, nevra, fate }) => [
      `${channel} ${nevra} ${fate}`,
      { channel, nevra, fate },
    ]),
  );
  return [...byKey.values()];
}

function fateOfAdded({ nevra, replaces, leaves }: PlanLine): string {
  if (replaces === null) return "new";
  // An older version beside a newer one changes nothing for hosts.
  if (leaves === replaces) return `beside ${evrOf(replaces, nevra)}, which stays the newest`;
  return `replaces ${evrOf(replaces, nevra)}`;
}

function fateOfRemoved({ nevra, leaves }: PlanLine): string {
  if (leaves === null) return "removed; none is left";
  return `removed; hosts get ${evrOf(leaves, nevra)}`;
}

/** `1.3.2-1` of a NEVRA whose package has the same name and architecture as `other`. */
function evrOf(nevra: string, other: string): string {
  const name = other.replace(/-[^-]+-[^-]+$/, "");
  const arch = /\.[^.]+$/.exec(other)?.[0] ?? "";
  return nevra.startsWith(`${name}-`) && nevra.endsWith(arch)
    ? nevra.slice(name.length + 1, arch === "" ? undefined : -arch.length)
    : nevra;
}

function problemLines({ code, message, hint }: ChangePlan["problems"][number]): readonly Line[] {
  return [
    ["  ", { ink: "red", text: code }, `  ${message}`],
    ...(hint === "" ? [] : [[`    ${hint}`]]),
  ];
}

function bounded(lines: readonly Line[]): readonly Line[] {
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), [`  and ${lines.length - LINES_MAX} more lines: --json`]];
}
