import { CommandError, EXIT } from "../exit-codes.ts";

interface Doing {
  /** `The backup was not made`. */
  readonly what: string;
  /** The folder that is written to; without it all is read. */
  readonly place?: string;
  /** What follows the way out: what was left, or not. */
  readonly after?: string;
}

interface Trouble {
  readonly code?: unknown;
  readonly path?: unknown;
  /** SQLite's; the lower byte is the kind. */
  readonly errcode?: unknown;
  readonly message?: unknown;
}

const SQLITE_KINDS: Readonly<Record<number, string>> = {
  8: "EROFS",
  10: "EIO",
  13: "ENOSPC",
  14: "EACCES",
};

/** What the system says of a place, in one sentence with the way out; anything else comes back as it is. */
export function explainTrouble(err: unknown, { what, place, after = "" }: Doing): unknown {
  if (err instanceof CommandError || !(err instanceof Error)) return err;
  const { code, path, errcode, message } = err as Trouble;
  const kind = typeof errcode === "number" ? SQLITE_KINDS[errcode & 0xff] : code;
  if (typeof kind !== "string" || !/^E[A-Z]+$/.test(kind)) return err;
  const where = typeof path === "string" ? path : (place ?? "a file");
  const [why, wayOut] = reasonOf(kind, where, place) ?? [
    `${where}: ${String(message)}`,
    "choose another folder, or ask `dmesg` what is wrong with this disk",
  ];
  const hint = after === "" ? wayOut : `${wayOut}; ${after}`;
  const isDisk = ["ENOSPC", "EDQUOT", "EIO"].includes(kind);
  return new CommandError(isDisk ? EXIT.errored : EXIT.usage, `${what}: ${why}.`, hint);
}

function reasonOf(
  kind: string,
  where: string,
  place: string | undefined,
): readonly [string, string] | undefined {
  const user = process.getuid?.() ?? "unknown";
  switch (kind) {
    case "ENOSPC":
    case "EDQUOT":
      return [`the disk of ${place ?? where} is full`, "make room there, or choose another disk"];
    case "EROFS":
      return [
        `${where} is on a read-only file system`,
        "mount it writable, or choose another folder",
      ];
    case "EACCES":
    case "EPERM":
      return place !== undefined && `${where}/`.startsWith(`${place}/`)
        ? [
            `user ${user} may not write to ${where}`,
            `as root: install -d -o ${user} -m 0700 ${place}; or choose another folder`,
          ]
        : [`user ${user} may not read ${where}`, "run it as that file's owner, or as root"];
    case "ENOTDIR":
    case "EEXIST":
      return [`${where} is not a folder, or is below a file`, "choose another folder"];
    case "ENOENT":
      return [`no folder can be made at ${where}`, "choose another folder"];
    default:
      return undefined;
  }
}
