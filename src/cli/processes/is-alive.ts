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
