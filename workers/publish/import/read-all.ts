import { basename } from "node:path";
import { UserFault } from "../../../src/domain/faults.ts";
import { formatNevra } from "../../../src/domain/nevra.ts";
import type { Progress } from "./progress.ts";
import type { FoundPackage } from "./read-package.ts";
import { openReaders } from "./readers.ts";
import { inLanes } from "../in-lanes.ts";

const SHOWN_MAX = 20;
const READERS = 4;

/** Reads all RPMs; one content is there once. Throws a `UserFault` that names what is wrong. */
export async function readAll(
  paths: readonly string[],
  target: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly FoundPackage[]> {
  progress.begin("reading packages", paths.length);
  const problems: string[] = [];
  const found = new Map<string, FoundPackage>();
  const readers = openReaders(READERS);
  try {
    await inLanes(paths, READERS * 2, async (path) => {
      signal.throwIfAborted();
      const outcome = await readers.read(path, target);
      if (outcome.kind === "refused") problems.push(`${basename(path)}: ${outcome.why}`);
      else {
        const nevra = formatNevra(outcome.found.identity.nevra);
        const twin = found.get(nevra);
        if (twin === undefined) found.set(nevra, outcome.found);
        else if (twin.sha256 !== outcome.found.sha256) problems.push(twins(nevra, twin.path, path));
      }
      progress.step();
    });
  } finally {
    await readers.close();
  }
  if (problems.length > 0) {
    throw new UserFault("PACKAGE_INVALID", shown(problems.toSorted()).join("\n"), {
      hint: "Nothing was imported. Move these files out of the folder, and import it again.",
    });
  }
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function twins(nevra: string, one: string, other: string): string {
  const [first = "", second = ""] = [one, other].toSorted();
  return `${nevra} is there twice, with different content: ${first} and ${second}`;
}

/** The first of many, and how many more there are. */
export function shown(lines: readonly string[], max = SHOWN_MAX): readonly string[] {
  if (lines.length <= max) return lines;
  return [...lines.slice(0, max), `… and ${lines.length - max} more.`];
}
