import { join } from "node:path";
import type { Mirrors } from "../source/mirrors.ts";

/** The one repository that `tatara run` made, in the place of mirrors: nothing is fetched. */
export function localMirrors(gitDir: string): Mirrors {
  return {
    fetch: ({ sha }) => Promise.resolve({ gitDir, sourceGitDir: join(gitDir, "source"), sha }),
    headOf: () => Promise.resolve(undefined),
    stored: () => Promise.resolve([]),
    tidy: () => Promise.resolve(),
  };
}
