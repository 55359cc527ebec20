export type ReportFormat = "junit" | "tap" | "coverage-xml" | "lcov";

/** So much of a file is enough to tell its format. */
export const DETECT_CHARACTERS = 4_096;

/** What a report is, by its first characters; undefined: none that is known. */
export function detectFormat(start: string): ReportFormat | undefined {
  const text = start.replace(/^\ufeff/, "").trimStart();
  if (text.startsWith("<")) return xmlFormat(text);
  if (/^(?:TN:|SF:)/m.test(text) && /^(?:SF|DA|LF|FN|TN):/.test(text)) return "lcov";
  const isTap = /^[ \t]*(?:TAP version \d+\s*$|1\.\.\d+\b|(?:not )?ok\b(?:[ \t]|$))/m.test(text);
  return isTap ? "tap" : undefined;
}

/** By the name of the first element, whatever stands before it. */
function xmlFormat(text: string): ReportFormat | undefined {
  const bare = text.replace(/<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<![^>]*>/g, "");
  const root = /<(?:[\w.-]+:)?([\w.-]+)/.exec(bare)?.[1];
  if (root === "testsuites" || root === "testsuite" || root === "testcase") return "junit";
  return root === "coverage" ? "coverage-xml" : undefined;
}
