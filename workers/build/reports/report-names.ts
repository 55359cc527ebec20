import { matcherOf } from "../../../src/domain/patterns.ts";
import { baseName, pathInRepo } from "../../../src/domain/repo-path.ts";

/** Which files are reports, and where to look for them. */
export interface ReportNames {
  /** Folders or files, from the root of the workspace, below which they all are; "" is the root. */
  readonly roots: readonly string[];
  isReport(path: string): boolean;
}

/** By the step's own patterns, which start at the project's folder. */
export function namesOf(patterns: readonly string[], projectPath: string): ReportNames {
  const inWorkspace = patterns.map((pattern) => fromRoot(pattern, projectPath));
  const giving = inWorkspace.filter((pattern) => !pattern.startsWith("!"));
  const roots = giving.map(literalStart).toSorted();
  return {
    roots: roots.filter((root, index) => !roots.slice(0, index).some((one) => isWithin(root, one))),
    isReport: matcherOf(inWorkspace),
  };
}

function fromRoot(pattern: string, projectPath: string): string {
  const isTakingAway = pattern.startsWith("!");
  const bare = (isTakingAway ? pattern.slice(1) : pattern).replace(/^(?:\.\/)+/, "");
  return `${isTakingAway ? "!" : ""}${projectPath === "" ? bare : `${projectPath}/${bare}`}`;
}

/** The folders before the first part with a sign in it; of a plain path, the path. */
function literalStart(pattern: string): string {
  const parts = pattern.split("/");
  const firstSign = parts.findIndex((part) => /[*?[\]{}\\]/.test(part));
  return pathInRepo((firstSign === -1 ? parts : parts.slice(0, firstSign)).join("/")) ?? "";
}

function isWithin(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}

const USUAL_NAME = /^(?:junit.*\.xml|TEST-.*\.xml|coverage\.xml|cobertura.*\.xml|lcov\.info)$/;
const LEFT_OUT = /(?:^|\/)(?:node_modules|\.git)\//;

/** By the usual names, for steps that say nothing. */
export const USUAL_NAMES: ReportNames = {
  roots: [""],
  isReport: (path) => USUAL_NAME.test(baseName(path)) && !LEFT_OUT.test(path),
};

/** As messages and pages say it. */
export const USUAL_PATTERNS = [
  "**/junit*.xml",
  "**/TEST-*.xml",
  "**/coverage.xml",
  "**/cobertura*.xml",
  "**/lcov.info",
] as const;

/** What might have been meant, when nothing matches. */
export function looksLikeReport(path: string): boolean {
  return (
    !LEFT_OUT.test(path) &&
    /\.(?:tap|xml)$|(?:^|\/)lcov\.info$/.test(path) &&
    !/(?:^|\/)(?:pom|build|web|settings)\.xml$/.test(path)
  );
}
