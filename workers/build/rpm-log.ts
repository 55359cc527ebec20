import type { UserFaultCode } from "../../src/domain/faults.ts";

/** What rpmbuild's log says about why it failed. */
export interface RpmProblem {
  readonly code: UserFaultCode;
  readonly message: string;
  readonly hint: string | null;
  /** Line of the spec file. */
  readonly line: number | null;
}

const LISTED_MAX = 5;

/** Reads the decisive lines of a failed rpmbuild, the most telling kind first. */
export function readRpmProblem(log: string, spec: { readonly path: string }): RpmProblem {
  return (
    missingRequires(log) ??
    missingSource(log) ??
    invalidSpec(log) ??
    unpackagedFiles(log) ??
    missingFiles(log) ??
    failedSection(log, spec.path) ??
    anyError(log)
  );
}

function missingRequires(log: string): RpmProblem | undefined {
  const missing = linesAfter(log, /^error: Failed build dependencies:$/m, /^\s+(.+) is needed by /);
  if (missing.length === 0) return undefined;
  return {
    code: "BUILD_REQUIRES_MISSING",
    message: `The image has no ${listed(missing)}, which the spec's BuildRequires ask for.`,
    hint: "Install it in the image (a RUN line of the Dockerfile), or correct the spec's BuildRequires.",
    line: null,
  };
}

function missingSource(log: string): RpmProblem | undefined {
  const found = /^error: Bad (?:source|file): [^\n]*?([^/\n:]+): No such file or directory$/m.exec(
    log,
  );
  if (!found?.[1]) return undefined;
  return {
    code: "SPEC_SOURCE_MISSING",
    message: `${found[1]} is not in the commit.`,
    hint: "Commit the file beside the spec.",
    line: null,
  };
}

function invalidSpec(log: string): RpmProblem | undefined {
  const found = /^error: (?:[^\n]*?: )?line (\d+): ([^\n]+)$/m.exec(log);
  if (found) {
    return problem("SPEC_INVALID", sentence(found[2] ?? ""), { line: Number(found[1]) });
  }
  const field = /^error: ((?:\w+ )?field must be present in package[^\n]*)$/im.exec(log);
  const parse = /^error: ([^\n]*(?:parse|Unclosed|Unterminated|recursion)[^\n]*)$/im.exec(log);
  const said = field?.[1] ?? parse?.[1];
  return said === undefined ? undefined : problem("SPEC_INVALID", sentence(said));
}

function unpackagedFiles(log: string): RpmProblem | undefined {
  const sign = /Installed \(but unpackaged\) file\(s\) found:$/m;
  const files = linesAfter(log, sign, /^\s+(\/.+)$/);
  if (files.length === 0) return undefined;
  return problem("RPM_BUILD_FAILED", `built but not listed in %files: ${listed(files)}`, {
    hint: "Add it to %files, or delete it in %install.",
  });
}

function missingFiles(log: string): RpmProblem | undefined {
  const found = [...log.matchAll(/^(?:error: |\s+)(?:File|Directory) not found[^:]*: ([^\n]+)$/gm)];
  const files = [
    ...new Set(found.map(([, path = ""]) => path.replace(/^.*?\/BUILDROOT\/[^/]+/, ""))),
  ];
  if (files.length === 0) return undefined;
  return problem("RPM_BUILD_FAILED", `listed in %files but not built: ${listed(files)}`, {
    hint: "Make %install put it there, or remove it from %files.",
  });
}

function failedSection(log: string, specPath: string): RpmProblem | undefined {
  const found = /^error: Bad exit status from \S+ \((%\w+)\)$/m.exec(log);
  if (!found) return undefined;
  return problem("RPM_BUILD_FAILED", `${found[1]} of ${specPath} failed`);
}

function anyError(log: string): RpmProblem {
  const said = /^error: ([^\n]+)$/m.exec(log)?.[1] ?? "rpmbuild failed";
  return problem("RPM_BUILD_FAILED", sentence(said));
}

function problem(
  code: UserFaultCode,
  message: string,
  { hint = null, line = null }: { hint?: string | null; line?: number | null } = {},
): RpmProblem {
  return { code, message: message.slice(0, 1_000), hint, line };
}

/** Matches of the lines that directly follow a sign. */
function linesAfter(log: string, sign: RegExp, line: RegExp): readonly string[] {
  const found = sign.exec(log);
  if (!found) return [];
  const matches: string[] = [];
  for (const text of log
    .slice(found.index + found[0].length)
    .split("\n")
    .slice(1)) {
    const match = line.exec(text)?.[1];
    if (match === undefined) break;
    matches.push(match);
  }
  return [...new Set(matches)];
}

function listed(items: readonly string[]): string {
  const more = items.length - LISTED_MAX;
  return items.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function sentence(text: string): string {
  return text.trim().replace(/:$/, "");
}
