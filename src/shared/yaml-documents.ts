import { parseAllDocuments, stringify } from "yaml";

/** Aliases can make a small file large in memory. */
const ALIASES_MAX = 100;

/** The documents of a YAML stream as plain values, or what is wrong with the first bad one. */
export function readYamlDocuments(
  text: string,
): { readonly documents: readonly unknown[] } | { readonly problem: string } {
  const parsed = parseAllDocuments(text);
  if (!Array.isArray(parsed)) return { documents: [] };
  const documents: unknown[] = [];
  for (const document of parsed) {
    const [error] = document.errors;
    if (error !== undefined) return { problem: error.message.split("\n")[0] ?? "not YAML" };
    try {
      documents.push(document.toJS({ maxAliasCount: ALIASES_MAX }));
    } catch (err) {
      return { problem: (err as Error).message };
    }
  }
  return { documents };
}

/** Plain values as YAML for people: blocks, no line folded, no aliases. */
export function writeYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
