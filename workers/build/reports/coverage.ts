import { byLine } from "./lines.ts";
import type { ReportParser, ReportSink } from "./report-parser.ts";
import type { XmlHandler } from "./xml-reader.ts";

/**
 * Cobertura XML, and Clover's, whose root has the same name: the totals that the writer gives, else
 * every line counted once.
 */
export function coverageReader(sink: ReportSink): XmlHandler {
  let totals: { readonly covered: number; readonly total: number } | undefined;
  let file = "";
  let isInMethod = false;
  let depth = 0;
  const hit = new Map<string, boolean>();
  return {
    open: (name, attributes) => {
      depth += 1;
      if (depth === 1) totals = totalsOf(attributes, "lines-covered", "lines-valid");
      // Clover has its totals in the first `metrics`, that of the project.
      if (name === "metrics") totals ??= totalsOf(attributes, "coveredstatements", "statements");
      if (totals !== undefined) return false;
      if (name === "class") file = attributes["filename"] ?? attributes["name"] ?? "";
      if (name === "methods") isInMethod = true;
      if (name === "line" && !isInMethod) {
        const key = `${file}:${attributes["number"] ?? ""}`;
        hit.set(key, hit.get(key) === true || Number(attributes["hits"]) > 0);
      }
      return undefined;
    },
    close: (name) => {
      depth -= 1;
      if (name === "methods") isInMethod = false;
    },
    text: () => undefined,
    end: () => {
      const covered = totals?.covered ?? [...hit.values()].filter(Boolean).length;
      sink.coverage(covered, totals?.total ?? hit.size);
    },
  };
}

function totalsOf(attributes: Readonly<Record<string, string>>, covered: string, total: string) {
  const counts = { covered: count(attributes[covered]), total: count(attributes[total]) };
  if (counts.covered === undefined || counts.total === undefined) return undefined;
  return { covered: Math.min(counts.covered, counts.total), total: counts.total };
}

/** Sums stay whole numbers that every reader of JSON can hold. */
const COUNT_MAX = 1e12;

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,13}$/.test(text) && Number(text) <= COUNT_MAX
    ? Number(text)
    : undefined;
}

/** lcov: each file's own sums, and where it has none its lines. */
export function lcovParser(sink: ReportSink): ReportParser {
  const sum = { covered: 0, total: 0 };
  let file = emptyFile();
  const endFile = (): void => {
    const total = file.total ?? file.lines;
    sum.total += total;
    sum.covered += Math.min(file.covered ?? file.linesHit, total);
    file = emptyFile();
  };
  const onLine = (line: string): void => {
    if (line.startsWith("DA:")) {
      file.lines += 1;
      if (/^DA:\d+,0*[1-9]/.test(line)) file.linesHit += 1;
    } else if (line.startsWith("LF:")) file.total = count(line.slice(3).trim());
    else if (line.startsWith("LH:")) file.covered = count(line.slice(3).trim());
    else if (line.startsWith("end_of_record")) endFile();
  };
  const lines = byLine(onLine);
  return {
    write: lines.write,
    end: () => {
      lines.end();
      endFile();
      sink.coverage(sum.covered, sum.total);
    },
  };
}

function emptyFile() {
  return {
    lines: 0,
    linesHit: 0,
    total: undefined as number | undefined,
    covered: undefined as number | undefined,
  };
}
