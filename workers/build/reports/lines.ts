import type { ReportParser } from "./report-parser.ts";

const LINE_CHARACTERS_MAX = 16_000;

/** Calls for each whole line, without its end; what is longer than any line that matters is cut. */
export function byLine(onLine: (line: string) => void): ReportParser {
  let rest = "";
  const take = (line: string): void => {
    onLine((line.endsWith("\r") ? line.slice(0, -1) : line).slice(0, LINE_CHARACTERS_MAX));
  };
  return {
    write: (text) => {
      const parts = text.split("\n");
      const last = parts.pop() ?? "";
      for (const [index, part] of parts.entries()) take(index === 0 ? rest + part : part);
      if (parts.length > 0) rest = last;
      else if (rest.length < LINE_CHARACTERS_MAX) rest += last;
    },
    end: () => {
      if (rest !== "") take(rest);
      rest = "";
    },
  };
}
