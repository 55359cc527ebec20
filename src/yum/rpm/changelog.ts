import type { Header } from "./header.ts";
import { numbersOf, textsOf } from "./header-values.ts";
import type { ChangelogEntry } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";

const TIMES = 1080;
const ENTRIES_MAX = 100_000;

export function readChangelog(header: Header): readonly ChangelogEntry[] {
  const count = header.entries.get(TIMES)?.count ?? 0;
  if (count > ENTRIES_MAX) {
    throw new RpmRefused("TOO_LARGE", `The RPM has more than ${ENTRIES_MAX} changelog entries.`);
  }
  const times = numbersOf(header, TIMES);
  const authors = textsOf(header, 1081);
  const texts = textsOf(header, 1082);
  if (authors.length !== count || texts.length !== count) {
    throw new RpmRefused(
      "MALFORMED",
      `The RPM's changelog has ${count} times, ${authors.length} authors and ${texts.length} texts.`,
    );
  }
  return times.map((time, item) => ({
    author: authors[item] ?? "",
    time,
    text: texts[item] ?? "",
  }));
}
