import { join } from "node:path";
import { isBuildChannel } from "../domain/channel.ts";
import { yumLayout } from "../yum/layout.ts";
import type { YumLayout } from "../yum/layout.ts";
import { LAYERS, layerName, readGeneration, readTargetState } from "../yum/target-state.ts";
import { verifyTarget } from "../yum/verify-target.ts";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { listedPackages } from "./listed-packages.ts";
import type { Look } from "./world.ts";

const finding = findingsOf("I5");

/** I5: what hosts get now is whole, signed, and lists what the records say. */
export async function checkChannels(look: Look): Promise<readonly Finding[]> {
  const layout = yumLayout(join(look.dataDir, "yum"));
  const found: Finding[] = [];
  for (const { name, head, parent } of look.records.all("channels")) {
    if (head === 0 || isBuildChannel(name)) continue;
    const where = `${name}@${head}`;
    try {
      const { targets } = await readGeneration(layout, name, head);
      for (const [target, made] of Object.entries(targets)) {
        const place = { channel: name, number: head, target };
        found.push(...(await checkTarget(look, layout, place)));
        // A child channel has rows only of what differs from its parent.
        if (parent === null) {
          const listed = await readTargetState(layout, { channel: name, number: made, target });
          found.push(...checkListed(look, place, await listedPackages(layout, listed)));
        }
      }
    } catch (err) {
      const evidence = err instanceof Error ? err.message : String(err);
      found.push(broken("the generation that hosts get cannot be read", where, evidence));
    }
  }
  return found;
}

interface Place {
  readonly channel: string;
  readonly number: number;
  readonly target: string;
}

async function checkTarget(
  { verifySignature }: Look,
  layout: YumLayout,
  place: Place,
): Promise<readonly Finding[]> {
  const served = [place.target, ...LAYERS.map((layer) => layerName(place.target, layer))];
  const found: Finding[] = [];
  for (const target of served) {
    const verified = await verifyTarget(layout, { ...place, target }, { verifySignature });
    const where = `${place.channel}@${place.number} ${target}`;
    for (const problem of verified?.problems ?? []) {
      found.push(broken("what hosts get is not as it was signed", where, problem));
    }
  }
  return found;
}

function checkListed(
  { records }: Look,
  { channel, number, target }: Place,
  packages: readonly { readonly nevra: string }[],
): readonly Finding[] {
  const rows = records
    .all("listings")
    .filter((row) => row.channel === channel && row.target === target)
    .filter(({ untilGeneration }) => untilGeneration === null);
  const wanted = new Set(rows.map(({ nevra }) => nevra));
  const listed = new Set(packages.map(({ nevra }) => nevra));
  const missing = new Set([...wanted].filter((nevra) => !listed.has(nevra)));
  const spare = new Set([...listed].filter((nevra) => !wanted.has(nevra)));
  if (missing.size === 0 && spare.size === 0) return [];
  const evidence = `missing: ${some(missing)}; only there: ${some(spare)}`;
  const where = `${channel}@${number} ${target}`;
  return [broken("a channel lists other packages than the records say", where, evidence)];
}

function some(names: ReadonlySet<string>): string {
  return [...names].slice(0, 5).join(", ") || "none";
}

function broken(what: string, where: string, evidence: string): Finding {
  const [channel = ""] = where.split("@");
  const wayOut = `tatara channel verify ${channel}; then tatara undo ${channel}, or publish again`;
  return finding({ what, where, evidence, wayOut });
}
