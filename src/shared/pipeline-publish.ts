import type { PublishRule } from "../domain/pipeline.ts";
import { has, textOf, textsOf } from "./pipeline-checked.ts";
import type { Checked, CheckedEntry, CheckedMap } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";
import { channelMistake, publishMistake } from "./pipeline-server-names.ts";

/** Which commits go to which channel. */
export function readPublish(value: Checked | undefined, reading: Reading): readonly PublishRule[] {
  if (value?.kind === "text") {
    const mistake = reading.names && publishMistake(value.value, reading.names);
    if (mistake !== undefined) refuse(reading, value.at, mistake);
    return [{ ...NOTHING, channel: value.value, isDefaultBranch: true }];
  }
  if (value?.kind !== "map") return [];
  const rules = [...value.entries.values()].flatMap((entry) => readRule(entry, reading) ?? []);
  refusePromoteCircles(value, reading);
  return rules;
}

const NOTHING = { isDefaultBranch: false, branches: [], tags: [], promoteFrom: null } as const;

function readRule({ key, keyAt, value }: CheckedEntry, reading: Reading): PublishRule | undefined {
  if (value?.kind !== "map") return undefined;
  const { names } = reading;
  const from = textOf(value, "promote-from");
  const isPromoted = has(value, "promote-from");
  const unknown = isPromoted ? channelMistake : publishMistake;
  const mistake = names && unknown(key, names);
  if (mistake !== undefined) refuse(reading, keyAt, mistake);
  const fromMistake = from && names && channelMistake(from.value, names);
  if (from !== undefined && fromMistake !== undefined) refuse(reading, from.at, fromMistake);
  return {
    channel: key,
    isDefaultBranch: false,
    branches: textsOf(value, "branch")?.map((text) => text.value) ?? [],
    tags: textsOf(value, "tag")?.map((text) => text.value) ?? [],
    promoteFrom: from?.value ?? null,
  };
}

/** Packages have to arrive somewhere before they can be promoted. */
function refusePromoteCircles(map: CheckedMap, reading: Reading): void {
  const fromOf = new Map<string, string>();
  for (const { key, value } of map.entries.values()) {
    const from = value?.kind === "map" ? textOf(value, "promote-from") : undefined;
    if (from === undefined) continue;
    const path = [key];
    for (
      let at: string | undefined = from.value;
      at !== undefined && at !== key;
      at = fromOf.get(at)
    ) {
      path.push(at);
    }
    const isCircle = from.value === key || fromOf.get(path.at(-1) ?? "") === key;
    if (isCircle) {
      refuse(reading, from.at, {
        code: "PROMOTE_CYCLE",
        message: circle(path),
        hint: "one channel needs a `branch` or a `tag`",
      });
    } else fromOf.set(key, from.value);
  }
}

/** `dev`, `stable` → "stable is promoted from dev, and dev from stable". */
function circle(path: readonly string[]): string {
  const [last = "", ...others] = path;
  if (others.length === 0) return `${quoted(last)} is promoted from itself`;
  const ring = [...others, last];
  const parts = ring.map((name, index) => `${name} from ${ring[index + 1] ?? ring[0]}`);
  const [first = "", ...more] = parts;
  return `${first.replace(" from ", " is promoted from ")}, and ${more.join(", ")}`;
}
