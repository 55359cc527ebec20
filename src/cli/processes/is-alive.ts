import { readFileSync } from "node:fs";

/** Zombies count as dead: in a container there is often nobody who collects them. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (err) {
    return err instanceof Error && "code" in err && err.code === "EPERM";
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    // `pid (name) state …`; the name may hold anything, even a bracket.
    return /^\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*(?=\) )/s, ""));
  } catch {
    return false; // No /proc here.
  }
}

/** When it started, in ticks since the boot: with it a number that was given again is told apart. */
export function startOf(pid: number): string | undefined {
  try {
    // After the name, which may hold anything, it is the 20th field.
    const rest = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "");
    return rest.split(" ")[19];
  } catch {
    return undefined; // It is gone.
  }
}
