import { readFile } from "node:fs/promises";

/** The same on every Linux. */
const TICKS_PER_SECOND = 100;

/** What all threads of a process have used by now: unlike a rate, it says the same on a busy machine. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name comes second and may hold anything; the third field is the first behind it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
