import { LAYERS, layerName } from "../../yum/target-state.ts";
import type { ApiChannel } from "../channel-api.ts";
import { CommandError, EXIT } from "../exit-codes.ts";

/** The channel's targets, or the one that is asked for. Throws a CommandError if there are none. */
export function wantedTargets(
  { name, head, targets }: ApiChannel,
  wanted: string | undefined,
): readonly string[] {
  const names = targets.map((target) => target.name);
  if (head === 0 || names.length === 0) {
    throw new CommandError(EXIT.notFound, `${name} has no packages yet.`);
  }
  if (wanted === undefined) return names;
  if (names.includes(wanted)) return [wanted];
  const message = `${name} has no target ${wanted}.`;
  throw new CommandError(EXIT.notFound, message, `--target ${names.join(" | ")}`);
}

/** The target, and its layers under the names that they are served by if it has any. */
export function servedNames(target: string): readonly string[] {
  return [target, ...LAYERS.map((layer) => layerName(target, layer))];
}
