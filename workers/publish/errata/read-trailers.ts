import { UserFault } from "../../../src/domain/faults.ts";
import type { Advisory } from "../../../src/shared/package-messages.ts";
import { CVE, CVES_MAX, severityOf } from "./errata-words.ts";

/** What a commit's message says about the vulnerabilities that it fixes. */
export interface Trailers {
  readonly cves: readonly string[];
  readonly severity: Advisory["severity"];
  readonly title: string;
}

const TRAILER = /^(fixes-cve|severity|advisory):[ \t]*(.*)$/gim;
const TITLE_MAX = 500;

/**
 * `Fixes-CVE: CVE-2026-1234` (several lines, or several in one), `Severity: important` and
 * `Advisory: <title>`, wherever they begin a line. Undefined without a CVE: then the other two mean
 * something else. Throws `ERRATA_INVALID` for a CVE or severity that is none.
 */
export function readTrailers(message: string): Trailers | undefined {
  const found = [...message.matchAll(TRAILER)].map(([, key = "", value = ""]) => ({
    key: key.toLowerCase(),
    value: value.trim(),
  }));
  const valuesOf = (key: string) =>
    found.filter((each) => each.key === key).map((each) => each.value);
  const cves = [...new Set(valuesOf("fixes-cve").flatMap((value) => value.split(/[\s,]+/)))].filter(
    (id) => id !== "",
  );
  if (cves.length === 0) return undefined;
  for (const id of cves) if (!CVE.test(id)) throw refused(`Fixes-CVE: ${id}`, "CVE-2026-1234");
  if (cves.length > CVES_MAX) throw refused(`${cves.length} CVEs`, `at most ${CVES_MAX}`);

  const [wanted = "none"] = valuesOf("severity");
  const severity = severityOf(wanted);
  if (severity === undefined) {
    throw refused(`Severity: ${wanted}`, "critical, important, moderate, low or none");
  }
  const subject = message.trimStart().split("\n")[0] ?? "";
  const title = valuesOf("advisory").find((text) => text !== "") ?? subject;
  return { cves, severity, title: title.slice(0, TITLE_MAX) };
}

function refused(found: string, wanted: string): UserFault {
  const message = `The commit's message says "${found.slice(0, 200)}", which is not understood.`;
  return new UserFault("ERRATA_INVALID", message, { hint: `Write it like this: ${wanted}.` });
}
