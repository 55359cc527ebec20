import { firstHit, hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Hit, Matcher } from "./matcher.ts";
import { innermostFrame } from "./python.ts";

const TEST = /^(?:FAIL|ERROR): (.{1,300})$/;
const RULE = /^[=-]{70}$/;

/** Python's unittest: a ruled block for each failure, at the end `FAILED (failures=1)`. */
export const unittest: Matcher = {
  tool: "unittest",
  rank: "cause",
  signs: ["FAILED ("],
  find(log) {
    const { lines } = log;
    const end = lastIndex(lines, /^FAILED \((?:failures|errors|unexpected|skipped|expected)/);
    if (end === -1) return undefined;
    const found = hitsOf(lines.slice(0, end), TEST).filter(({ at }) =>
      RULE.test(lines[at - 1] ?? ""),
    );
    const [first] = found;
    if (first === undefined) return undefined;
    const to = (firstHit(lines, RULE, first.at + 2)?.at ?? end) - 1;
    const chosen = { at: first.at, title: nameOf(first) };
    return {
      title: chosen.title,
      place: innermostFrame(log, first.at, to, "outermost"),
      at: first.at,
      from: first.at,
      to,
      end,
      also: othersOf(
        found.map((hit) => ({ at: hit.at, title: nameOf(hit) })),
        chosen,
      ),
    };
  },
};

function nameOf({ groups }: Hit): string {
  return titleOf(groups[1] ?? "");
}
