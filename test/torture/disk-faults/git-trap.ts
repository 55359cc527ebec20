import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTrace } from "./calls.ts";
import type { Seen } from "./calls.ts";
import { straceArgs } from "./trap.ts";
import type { Trap } from "./trap.ts";

/**
 * A `git` that goes before the real one in PATH: it gets the library that refuses calls, and is traced
 * when a trap lies there.
 */
export interface GitTrap {
  /** What PATH must begin with. */
  readonly dir: string;
  /** Traces the next git whose arguments contain `word`, and all that it starts. */
  arm(word: string, trap: Omit<Trap, "threads">): Promise<void>;
  spring(root: string): Promise<readonly Seen[]>;
}

/** Renaming is the lock: two commands at the same moment do not both take the trap. */
const scriptWith = (variables: string): string => `#!/bin/sh
dir=\${0%/*}
PATH=\${PATH#"$dir":}
if [ -e "$dir/trap" ]; then
  case " $* $REQUEST_METHOD " in
    *" $(head -n 1 "$dir/trap") "*)
      if mv "$dir/trap" "$dir/taken" 2>/dev/null; then
        set -- git "$@"
        # Without the library: what is listed is what happens by itself.
        exec strace -f $(tail -n 1 "$dir/taken") "$@"
      fi ;;
  esac
fi
exec env ${variables} git "$@"
`;

/** `env` is what every git gets besides. */
export async function openGitTrap(
  dir: string,
  env: Readonly<Record<string, string>>,
): Promise<GitTrap> {
  await mkdir(dir, { recursive: true });
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  await writeFile(join(dir, "git"), scriptWith(variables.join(" ")));
  await chmod(join(dir, "git"), 0o755);
  const output = join(dir, "trace");
  return {
    dir,
    arm: async (word, trap) => {
      await rm(join(dir, "taken"), { force: true });
      await writeFile(join(dir, "next"), `${word}\n${straceArgs(trap, output).join(" ")}\n`);
      await rename(join(dir, "next"), join(dir, "trap"));
    },
    spring: async (root) => {
      for (const name of await readdir(dir)) {
        if (name === "trap") await rm(join(dir, name), { force: true });
      }
      const text = await readFile(output, "utf8").catch(() => "");
      await rm(output, { force: true });
      return readTrace(text, root);
    },
  };
}
