import { SaxesParser } from "saxes";
import { readYamlDocuments } from "../../shared/yaml-documents.ts";

export const EXTRA_TYPES = ["group", "modules"] as const;
export type ExtraType = (typeof EXTRA_TYPES)[number];

const DEPTH_MAX = 100;

/**
 * What is wrong with a file that a channel is to pass through; undefined: nothing that would break
 * its readers. What it says about groups and modules is its author's business.
 */
export function problemOfExtra(type: ExtraType, text: string): string | undefined {
  return type === "group" ? problemOfComps(text) : problemOfModules(text);
}

/** `comps.xml`: well-formed, `<comps>` outside, and no declarations that could grow in readers. */
function problemOfComps(text: string): string | undefined {
  const parser = new SaxesParser({ position: true });
  let problem: string | undefined;
  let root: string | undefined;
  let depth = 0;
  const note = (what: string): void => {
    problem ??= `line ${parser.line}: ${what}`;
  };
  parser.on("error", (err) => note(err.message.replace(/^\d+:\d+: |\.$/g, "")));
  parser.on("doctype", (doctype) => {
    if (doctype.includes("[")) note("a document type with declarations of its own");
  });
  parser.on("opentag", ({ name }) => {
    root ??= name;
    depth += 1;
    if (depth > DEPTH_MAX) note("elements are nested too deep");
  });
  parser.on("closetag", () => {
    depth -= 1;
  });
  parser.write(text).close();
  if (problem !== undefined) return problem;
  return root === "comps" ? undefined : `the root element is <${root ?? ""}>, not <comps>`;
}

/** `modules.yaml`: documents that say of which kind and version they are. */
function problemOfModules(text: string): string | undefined {
  const read = readYamlDocuments(text);
  if ("problem" in read) return read.problem;
  if (read.documents.length === 0) return "there is no document in it";
  const bad = read.documents.findIndex((document) => !isModuleDocument(document));
  return bad === -1
    ? undefined
    : `document ${bad + 1} has no \`document: modulemd…\` and \`version\``;
}

function isModuleDocument(document: unknown): boolean {
  if (typeof document !== "object" || document === null) return false;
  const { document: kind, version } = document as Record<string, unknown>;
  return typeof kind === "string" && kind.startsWith("modulemd") && Number.isInteger(version);
}
