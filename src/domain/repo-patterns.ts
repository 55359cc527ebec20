const PATTERN = /^!?(?:\*|[A-Za-z0-9._*-]+\/[A-Za-z0-9._*-]+)$/;

/** `*`, `owner/*`, `owner/web-*`, `owner/name`; a leading `!` takes repos out again. */
export function isRepoPattern(text: string): boolean {
  return PATTERN.test(text);
}

/**
 * Tells whether a repo is one of those that `patterns` name. An exclusion always wins, and
 * exclusions alone start from all repos. Case does not count, as it does not on forges.
 */
export function repoMatcher(patterns: readonly string[]): (repo: string) => boolean {
  const excluded = patterns.filter((text) => text.startsWith("!")).map((text) => text.slice(1));
  const included = patterns.filter((text) => !text.startsWith("!"));
  const isIncluded = anyOf(included.length === 0 && excluded.length > 0 ? ["*"] : included);
  const isExcluded = anyOf(excluded);
  return (repo) => isIncluded(repo) && !isExcluded(repo);
}

function anyOf(patterns: readonly string[]): (repo: string) => boolean {
  const expressions = patterns.map(expressionOf);
  return (repo) => expressions.some((expression) => expression.test(repo));
}

/** `*` alone is every repo; elsewhere it stays within the owner or the name. */
function expressionOf(pattern: string): RegExp {
  if (pattern === "*") return /^/;
  // Neighbouring stars mean one star, and would make the expression slow.
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[^A-Za-z0-9/]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`, "i");
}
