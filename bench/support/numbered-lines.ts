import { createHash } from "node:crypto";

const WIDTH = 100;

/** Lines of 100 characters that begin with their number, and the command that prints them. */
export function numbered(lines: number) {
  const known = made.get(lines) ?? make(lines);
  made.set(lines, known);
  return known;
}

const made = new Map<number, ReturnType<typeof make>>();

function make(lines: number) {
  const hash = createHash("sha256");
  const rest = "x".repeat(WIDTH - 11);
  let bytes = 0;
  for (let number = 1; number <= lines; number += 1) {
    const line = `${String(number).padStart(10, "0")} ${rest}\n`;
    hash.update(line);
    bytes += line.length;
  }
  const command = `awk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "%010d ${rest}\\n", i }'`;
  return { bytes, sha256: hash.digest("hex"), command };
}
