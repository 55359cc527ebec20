import { UserFault } from "../../../src/domain/faults.ts";
import type { Commit } from "./commit.ts";

/** Both spellings; the first that is there counts. */
const ERRATA_FILES = [".tatara/errata.yaml", ".tatara/errata.yml"] as const;
/** As many bytes as the message to the server has room for characters. */
const ERRATA_BYTES_MAX = 256_000;

/** The text of the commit's errata file, which the publisher reads; null where there is none. */
export async function readErrata(
  commit: Pick<Commit, "entries" | "readFile">,
  signal: AbortSignal,
): Promise<string | null> {
  for (const path of ERRATA_FILES) {
    const entry = commit.entries.find((each) => each.path === path && each.kind === "file");
    if (entry === undefined) continue;
    if (entry.sizeBytes > ERRATA_BYTES_MAX) throw tooLarge(path, entry.sizeBytes);
    const bytes = await commit.readFile(path, signal);
    return new TextDecoder().decode(bytes);
  }
  return null;
}

function tooLarge(path: string, sizeBytes: number): UserFault {
  const message = `${path} has ${sizeBytes} bytes; ${ERRATA_BYTES_MAX} are allowed.`;
  const hint = "Keep the newest advisories in it; those that were published are not forgotten.";
  return new UserFault("ERRATA_INVALID", message, { hint, file: path });
}
