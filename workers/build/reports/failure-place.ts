import { placesOn } from "../../../src/domain/log-places.ts";
import { baseName } from "../../../src/domain/repo-path.ts";
import type { SourceTree } from "./source-tree.ts";

export interface WrittenPlace {
  readonly file: string | null;
  readonly line: number | null;
}

export interface FailureFacts {
  /** Stack, difference, output: as the runner wrote it. */
  readonly text: string;
  readonly className: string;
  /** What the report's attributes say: mostly where the test begins. */
  readonly written: WrittenPlace;
}

const LINES_MAX = 400;
const LINE_CHARACTERS_MAX = 1_000;

/** Code that is not the repository's: runners, libraries, the language itself. */
const FOREIGN =
  /(?:^|\/)(?:node_modules|site-packages|dist-packages|vendor|rustc|\.cargo|\.rustup|\.pnpm)\/|^node:|^\/usr\/|^\/opt\/|\/lib\/go|\/go\/pkg\/|<|^jdk\./;

/**
 * Where a test failed: the place in the failure's text that is in the test's own file, else the first
 * of the repository. Python prints the innermost call last, so there it is the last. A place in the
 * text says more than the attributes, which name where the test begins.
 */
export function failurePlace(
  { text, className, written }: FailureFacts,
  tree: SourceTree,
): WrittenPlace {
  // A class may be named after its file: `test/greet.test.ts`, `greet.bats`.
  const ownName = written.file ?? (/\.[a-z]\w{0,4}$/i.test(className) ? className : null);
  const own = ownName === null ? undefined : tree.find(ownName, className);
  const found = placesIn(text, className, tree);
  const isOwn = ({ file }: { file: string }): boolean =>
    own === undefined ? isNamedBy(file, className) : file === own;
  const isInnermostLast = /^(?:E {3}|Traceback \(most recent|\s*File ")/m.test(text);
  const pick = isInnermostLast
    ? (found.findLast(isOwn) ?? found.at(-1))
    : (found.find(isOwn) ?? found[0]);
  if (pick !== undefined) return pick;
  if (own !== undefined) return { file: own, line: written.line };
  return { file: null, line: null };
}

function placesIn(text: string, className: string, tree: SourceTree) {
  const places: { readonly file: string; readonly line: number }[] = [];
  for (const line of text.split("\n", LINES_MAX)) {
    for (const place of placesOn(line.slice(0, LINE_CHARACTERS_MAX))) {
      if (FOREIGN.test(place.path) || !/\.[a-z]\w{0,5}$/i.test(place.path)) continue;
      const file = tree.find(place.path, className);
      if (file !== undefined) places.push({ file, line: place.line });
    }
  }
  return places;
}

/** `com.acme.GreetTest` names `…/GreetTest.java`, `tests.test_greet.TestShout` `tests/test_greet.py`. */
function isNamedBy(file: string, className: string): boolean {
  const name = baseName(file);
  const stem = name.replace(/\.[^.]*$/, "");
  return (
    (stem.length > 1 && className.split(/[./\\:$]+/).includes(stem)) || className.endsWith(name)
  );
}
