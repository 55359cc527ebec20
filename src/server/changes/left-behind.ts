import type { Refusal } from "../../shared/message-parts.ts";
import type { Relation, RpmPackage } from "../../yum/rpm/rpm-package.ts";
import type { TargetState } from "../../yum/target-state.ts";
import type { Resolver } from "../../yum/resolve/resolver.ts";
import { packagesByNevra } from "../store/packages.ts";
import type { ListedRow } from "../store/changes.ts";
import type { Read } from "./intention.ts";

/** Packages of one target on their way from one channel to another. */
export interface Move {
  readonly from: { readonly channel: string; readonly state: TargetState };
  readonly to: { readonly channel: string; readonly state: TargetState | undefined };
  readonly moved: readonly { readonly row: ListedRow; readonly rpm: RpmPackage }[];
}

export interface LeftBehind {
  readonly problems: readonly Refusal[];
  readonly warnings: readonly string[];
}

/**
 * What moved packages need by name, what the channel they come from has, and what the other has not.
 * The distribution may have it too, which nobody here knows: a problem if the same repo made both,
 * else a warning.
 */
export async function leftBehind(read: Read, move: Move, resolver: Resolver): Promise<LeftBehind> {
  const provided = new Set(move.moved.flatMap(({ rpm }) => providesOf(rpm)));
  const nevras = new Set(move.moved.map(({ row }) => row.nevra));
  const problems: Refusal[] = [];
  const warnings: string[] = [];
  for (const { row, rpm } of move.moved) {
    const needs = new Set(rpm.relations.requires.filter(isPlain).map(({ name }) => name));
    for (const name of needs) {
      if (provided.has(name) || (await isThere(resolver, move.to.state, name))) continue;
      const [provider] = await resolver.whoProvides(move.from.state, name, 1);
      if (provider === undefined || nevras.has(provider.nevra)) continue;
      const message = `${row.nevra} needs ${name}, which ${move.from.channel} has in ${provider.nevra} and ${move.to.channel} has not.`;
      const [made] = await packagesByNevra(read, [provider.nevra]);
      const isOurs = made !== undefined && made.repo !== "" && made.repo === row.repo;
      if (!isOurs) warnings.push(message);
      else {
        const hint = `Promote ${provider.nevra} with it.`;
        problems.push({ code: "REQUIRES_UNSATISFIED", message, hint });
      }
    }
  }
  return { problems, warnings };
}

/** Rich dependencies are left to dnf, and `rpmlib(…)` is rpm itself. */
function isPlain({ name }: Relation): boolean {
  return !name.startsWith("(") && !name.startsWith("rpmlib(");
}

function providesOf({ relations, files }: RpmPackage): readonly string[] {
  return [...relations.provides.map(({ name }) => name), ...files.map(({ path }) => path)];
}

async function isThere(
  resolver: Resolver,
  state: TargetState | undefined,
  name: string,
): Promise<boolean> {
  return state !== undefined && (await resolver.whoProvides(state, name, 1)).length > 0;
}
