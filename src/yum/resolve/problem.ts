import { formatNevra } from "../../domain/nevra.ts";
import type { Nevra } from "../../domain/nevra.ts";
import { compareEvr } from "../../domain/rpm-version.ts";

/** Why a package could not be installed from the target, and what to do about it. */
export interface Problem {
  readonly code: "REQUIRES_UNSATISFIED" | "FILE_CONFLICT";
  readonly nevra: string;
  readonly message: string;
  readonly hint: string;
}

const PROBLEMS_MAX = 50;

/** The first 50, and how many more there are. */
export function bounded(problems: readonly Problem[]): readonly Problem[] {
  const more = problems.slice(PROBLEMS_MAX);
  const [first] = more;
  if (first === undefined) return problems;
  const rest = { ...first, message: `… and ${more.length} more.`, hint: "" };
  return [...problems.slice(0, PROBLEMS_MAX), rest];
}

const NAMED_MAX = 3;

/** `a-2-1`, `a-2-1 and b-1-1`, `a-2-1, b-1-1, c-1-1 and 4 more`: the newest of each name. */
export function nameAll(packages: readonly Nevra[]): string {
  const newest = new Map<string, Nevra>();
  for (const id of packages) {
    const known = newest.get(id.name);
    if (known === undefined || compareEvr(id, known) > 0) newest.set(id.name, id);
  }
  const names = [...newest.values()].map((id) => formatNevra(id).slice(0, -id.arch.length - 1));
  const more = names.length - NAMED_MAX;
  const shown = more > 0 ? [...names.slice(0, NAMED_MAX), `${more} more`] : names;
  const last = shown.at(-1) ?? "nothing";
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(", ")} and ${last}`;
}
