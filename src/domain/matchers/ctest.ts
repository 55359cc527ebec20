import { firstHit, hitsOf, lastIndex, othersOf, titleOf } from "./matcher.ts";
import type { Matcher } from "./matcher.ts";

const LISTED =
  /^\s+\d{1,6} - (\S.{0,300}?) \((Failed|Timeout|SEGFAULT|Subprocess [^)]{1,60}|Not Run|ILLEGAL|NUMERICAL|OTHER_FAULT|BAD_COMMAND|Bus error|[^)]{1,60})\)(?: .{0,100})?$/;

/** ctest knows which test failed; what the test printed may know more. */
export const ctest: Matcher = {
  tool: "ctest",
  rank: "wrapper",
  signs: ["The following tests FAILED:"],
  find(log) {
    const { lines } = log;
    const heading = lastIndex(lines, /^The following tests FAILED:$/);
    const found = hitsOf(lines, LISTED, heading + 1).map(
      ({ at, groups: [, name = "", how = ""] }) => ({
        at,
        title: titleOf(how === "Failed" ? name : `${name} (${how})`),
        name,
      }),
    );
    const [first] = found;
    if (heading === -1 || first === undefined) return undefined;
    const run = lines.findIndex((line, at) => at < heading && isRunOf(line, first.name));
    const at = run === -1 ? first.at : run;
    const next = firstHit(lines, /^ *(?:Start +\d+: |\d+\/\d+ +Test |\d+% tests passed)/, at + 1);
    return {
      title: first.title,
      place: null,
      at,
      from: at,
      to: run === -1 ? first.at : Math.min((next?.at ?? heading) - 1, at + 19),
      end: Math.max(
        found.at(-1)?.at ?? at,
        lastIndex(lines, /^(?:Errors while running CTest|Output from these tests|Use "--rerun)/),
      ),
      also: othersOf(found, first),
    };
  },
};

function isRunOf(line: string, name: string): boolean {
  return (
    /^ *\d+\/\d+ +Test +#\d+: /.test(line) && line.includes(`: ${name} .`) && line.includes("***")
  );
}
