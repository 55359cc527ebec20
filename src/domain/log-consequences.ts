/** Lines that only repeat that something else failed, or that other work was still going on. */
const CONSEQUENCES: readonly RegExp[] = [
  /^(?:g|b)?make(?:\[\d+\])?: (?:\*\*\* |Leaving directory|Entering directory|Target .{0,300} not remade)/,
  /^ninja: (?:build stopped|error: rebuilding)/,
  /^FAILED: /,
  /^npm (?:ERR!|error|notice|warn)/,
  /^(?:error Command failed|info Visit https| ?ELIFECYCLE| ?ERR_PNPM|yarn run v)/,
  /^error: Bad exit status\b/,
  /^RPM build (?:errors|warnings):/,
  /^ {4}Bad exit status from /,
  /^The command '.{0,2000}' returned a non-zero code/,
  /^tatara: /,
  /^(?:##\[error\]|::error|::endgroup::|Error: Process completed)/,
  /^A full log can be found at /,
  /^collect2: error: /,
  /^compilation terminated/,
  // What else a parallel build had in hand.
  /^\[ *\d+(?:%|\/\d+)\] /,
  /^(?:\S{0,100}\/)?(?:cc|gcc|g\+\+|c\+\+|clang|clang\+\+|ld|ar|libtool|ranlib|javac|rustc)(?:-\d+)? -/,
  /^libtool: /,
  /^\s+(?:CC|CXX|LD|AR|CCLD|CXXLD|GEN|HOSTCC)\s/,
  /^ {3}Compiling /,
];

export function isConsequence(line: string): boolean {
  return line.trim() === "" || CONSEQUENCES.some((pattern) => pattern.test(line));
}
