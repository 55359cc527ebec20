import { keysAt } from "../src/domain/pipeline-keys.ts";
import type { PipelineKey } from "../src/domain/pipeline-keys.ts";
import { PIPELINE_PLACES, takes } from "../src/domain/pipeline-types.ts";
import type { KeyType, PipelinePlace } from "../src/domain/pipeline-types.ts";

const BLOCK = /(<!-- keys: ([a-z-]+) -->\n)[^]*?(<!-- \/keys -->)/g;

/** The reference page with each of its tables of keys written anew from the table in the source. */
export function withTables(page: string): string {
  return page.replace(BLOCK, (_block, start: string, name: string, end: string) => {
    const place = PIPELINE_PLACES.find((known) => known === name);
    if (place === undefined) throw new Error(`There is no place called ${name}.`);
    return `${start}\n${tableOf(place)}\n\n${end}`;
  });
}

function tableOf(place: PipelinePlace): string {
  const rows = keysAt(place).filter(({ retired }) => retired === undefined);
  const head = ["| key | takes | default | meaning | example |", "|---|---|---|---|---|"];
  return [...head, ...rows.map(rowOf)].join("\n");
}

function rowOf({ key, type, default: whenNotSet, meaning, example }: PipelineKey): string {
  const [place] = placesIn(type);
  const link = place === undefined ? "" : ` ([keys](#${place}))`;
  const cells = [`\`${key}\``, takes(type) + link, whenNotSet, meaning, `\`${example}\``];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** Places whose keys a value may have; the page has a section for each. */
function placesIn(type: KeyType): readonly PipelinePlace[] {
  switch (type.is) {
    case "keys":
      return [type.place];
    case "either":
      return type.of.flatMap(placesIn);
    case "list":
      return placesIn(type.of);
    case "map":
      return type.place === undefined ? placesIn(type.of) : [type.place];
    default:
      return [];
  }
}
