import { SaxesParser } from "saxes";
import type { ReportParser } from "./report-parser.ts";

export interface XmlHandler {
  /** Names without their prefix. False: the rest of the document is of no interest. */
  open(name: string, attributes: Readonly<Record<string, string>>): boolean | void;
  close(name: string): void;
  text(text: string): void;
  end?(): void;
}

const DEPTH_MAX = 100;
const ERRORS_MAX = 200;

// Runners print what a terminal got, control characters and all; XML knows none of them.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
const CONTROL_REFERENCES = /&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));/gi;

/** Colours, as they are or as references. */
// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const COLOURS = /(?:\u001b|&#(?:27|x1b);)\[[\d;]{0,20}m/gi;

/**
 * A forgiving reader of untrusted XML: it expands no entities of a document's own, follows no
 * reference to elsewhere, refuses declarations, and bounds depth. Of a document that is broken, or
 * ends early because its writer was killed, it gives what it can, and tells the first problem.
 */
export function readXml(handler: XmlHandler, onProblem: (text: string) => void): ReportParser {
  const parser = new SaxesParser<{ xmlns: false; position: true }>({
    xmlns: false,
    position: true,
  });
  let isOver = false;
  let depth = 0;
  let errors = 0;
  const stop = (problem?: string): void => {
    if (problem !== undefined && errors === 0) onProblem(`line ${parser.line}: ${problem}`);
    isOver = true;
  };
  parser.on("error", (err) => {
    if (isOver) return;
    if (errors === 0)
      onProblem(`line ${err.message.replace(/^(\d+):\d+: |\.$/g, "$1: ").replace(/: $/, "")}`);
    errors += 1;
    if (errors >= ERRORS_MAX) isOver = true;
  });
  parser.on("doctype", (doctype) => {
    if (doctype.includes("[")) stop("it declares a document type of its own, which is not read");
  });
  parser.on("opentag", ({ name, attributes }) => {
    if (isOver) return;
    depth += 1;
    if (depth > DEPTH_MAX) return stop(`elements are nested deeper than ${DEPTH_MAX}`);
    if (handler.open(localName(name), attributes) === false) stop();
  });
  parser.on("closetag", ({ name }) => {
    if (isOver) return;
    depth -= 1;
    handler.close(localName(name));
  });
  const onText = (text: string): void => {
    if (!isOver) handler.text(text);
  };
  parser.on("text", onText);
  parser.on("cdata", onText);
  return {
    write: (text) => {
      if (!isOver) parser.write(plain(text));
    },
    end: () => {
      if (!isOver) parser.close();
      handler.end?.();
    },
  };
}

function plain(text: string): string {
  return text.replace(COLOURS, "").replace(CONTROLS, "").replace(CONTROL_REFERENCES, "");
}

function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}
