/** A copy of a spec with another version, and what was changed. */
export interface AdaptedSpec {
  readonly text: string;
  /** Like `diff -u0`: for the log. */
  readonly diff: readonly string[];
  /** Tags that the main package does not have in so many words. */
  readonly missing: readonly ("Version" | "Release")[];
}

/** Sets `Version` and `Release` of the main package: the first of each, before any section. */
export function adaptSpec(
  text: string,
  { version, release }: { readonly version: string | null; readonly release: string | null },
): AdaptedSpec {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => SECTION.test(line));
  const preamble = end === -1 ? lines.length : end;
  const diff: string[] = [];
  const missing: ("Version" | "Release")[] = [];
  const set = (tag: "Version" | "Release", value: string): void => {
    const at = lines.findIndex((line, index) => index < preamble && tagOf(line) === tag);
    const line = lines[at];
    if (line === undefined) {
      missing.push(tag);
      return;
    }
    const changed = line.replace(/^(\s*\w+\s*:\s*).*$/, (_all, head: string) => head + value);
    if (changed === line) return;
    diff.push(`@@ line ${at + 1} @@`, `-${line}`, `+${changed}`);
    lines[at] = changed;
  };
  if (version !== null) set("Version", version);
  if (release !== null) set("Release", release);
  return { text: lines.join("\n"), diff, missing };
}

const SECTION =
  /^%(?:package|description|prep|generate_buildrequires|conf|build|install|check|clean|files|changelog|pre|post|preun|postun)\b/;

function tagOf(line: string): string | undefined {
  const found = /^\s*(version|release)\s*:/i.exec(line)?.[1]?.toLowerCase();
  if (found === undefined) return undefined;
  return found === "version" ? "Version" : "Release";
}
