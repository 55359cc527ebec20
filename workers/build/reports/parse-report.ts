import { TextDecoder } from "node:util";
import { coverageReader, lcovParser } from "./coverage.ts";
import { DETECT_CHARACTERS, detectFormat } from "./detect.ts";
import { junitReader } from "./junit.ts";
import type { ReportParser, ReportSink } from "./report-parser.ts";
import { reportDecoder } from "./report-text.ts";
import type { SourceTree } from "./source-tree.ts";
import { tapParser } from "./tap.ts";
import { readXml } from "./xml-reader.ts";

/** Takes a report's bytes as they come, whatever its format is. */
export interface ReportReader {
  write(bytes: Uint8Array): void;
  end(): void;
}

/** Pieces that a parser takes at once: a report is read while others wait. */
const PIECE_BYTES = 64 * 1024;

/** Reads one file. What is wrong with it, even a mistake of ours, is a problem and never thrown. */
export function reportReader(sink: ReportSink, tree: SourceTree): ReportReader {
  let decoder: TextDecoder | undefined;
  let parser: ReportParser | undefined;
  let start = "";
  let isGivenUp = false;

  const guarded = (work: () => void): void => {
    if (isGivenUp) return;
    try {
      work();
    } catch (err) {
      isGivenUp = true;
      sink.problem(`it cannot be read: ${err instanceof Error ? err.message.slice(0, 300) : "?"}`);
    }
  };
  const take = (text: string, isEnd: boolean): void => {
    if (parser === undefined) {
      start += text;
      if (start.length < DETECT_CHARACTERS && !isEnd) return;
      parser = parserFor(start, sink, tree);
      if (parser === undefined) {
        isGivenUp = true;
        sink.problem(
          start.trim() === ""
            ? "it is empty"
            : "it is neither JUnit XML, TAP, Cobertura XML nor lcov",
        );
      }
      parser?.write(start);
      start = "";
    } else parser.write(text);
  };

  return {
    write: (bytes) =>
      guarded(() => {
        decoder ??= reportDecoder(bytes);
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          take(decoder.decode(bytes.subarray(at, at + PIECE_BYTES), { stream: true }), false);
        }
      }),
    end: () =>
      guarded(() => {
        take(decoder?.decode() ?? "", true);
        parser?.end();
      }),
  };
}

function parserFor(start: string, sink: ReportSink, tree: SourceTree): ReportParser | undefined {
  const format = detectFormat(start);
  switch (format) {
    case "junit":
      return readXml(junitReader(sink, tree), sink.problem);
    case "coverage-xml":
      return readXml(coverageReader(sink), sink.problem);
    case "tap":
      return tapParser(sink, tree);
    case "lcov":
      return lcovParser(sink);
    case undefined:
      return undefined;
  }
}
