/** A disk that did not take or give what it was asked to: full, over quota, failing or away. */
export interface DiskRefusal {
  /** `ENOSPC`, `EIO`, …; SQLite's come as `SQLITE_FULL` and `SQLITE_IOERR`. */
  readonly code: string;
  /** In words. */
  readonly why: string;
  /** What it was asked to do, as far as the error tells: `write`, `fsync`, … */
  readonly call: string | undefined;
  readonly path: string | undefined;
}

const WHY: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left",
  EDQUOT: "the quota is used up",
  EIO: "it reports an input/output error",
  EROFS: "it is read-only",
  ESTALE: "its network store is away",
  ENOTCONN: "its network store is away",
  EREMOTEIO: "its network store is away",
  "ENOENT at mkdir": "it did not make a folder",
  SQLITE_FULL: "no space is left",
  SQLITE_IOERR: "it reports an input/output error",
};
/**
 * All our folders are made with their parents, so none can be missing: node tells an input/output error
 * in this way, for it looks afterwards whether the folder is there.
 */
const NO_FOLDER = "ENOENT at mkdir";
const SQLITE_NAMES: ReadonlyMap<number, string> = new Map([
  [10, "SQLITE_IOERR"],
  [13, "SQLITE_FULL"],
]);
/** Causes of causes: no honest error has more. */
const DEPTH_MAX = 8;

/** What the disk refused, if that is what is behind the error. */
export function diskRefusal(err: unknown, depth = 0): DiskRefusal | undefined {
  if (!(err instanceof Error) || depth > DEPTH_MAX) return undefined;
  const { code, errcode, syscall, path } = err as {
    code?: unknown;
    errcode?: unknown;
    syscall?: unknown;
    path?: unknown;
  };
  const isFolder = syscall === "mkdir" && code === "ENOENT";
  const known = isFolder ? NO_FOLDER : textOf(code);
  const name = typeof errcode === "number" ? SQLITE_NAMES.get(errcode & 0xff) : known;
  const why = WHY[name ?? ""];
  // A socket that is not connected is no disk.
  const isSocket = name === "ENOTCONN" && typeof path !== "string";
  if (name === undefined || why === undefined || isSocket) {
    return diskRefusal(err.cause, depth + 1);
  }
  return {
    code: name,
    why,
    call: textOf(syscall),
    path: textOf(path),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** As node and as programs such as git say it. */
const DISK_WORDS =
  /\b(?:ENOSPC|EDQUOT|EIO|EROFS)\b|no space left on device|out of diskspace|disk quota exceeded|input\/output error|read-only file system/i;

/** Does a program's last word speak of its disk? */
export function speaksOfDisk(text: string): boolean {
  return DISK_WORDS.test(text);
}

/** What a worker told us: was it its disk? */
export function isDiskFault(fault: { readonly code: string; readonly message: string }): boolean {
  return fault.code === "DISK_FULL" || speaksOfDisk(fault.message);
}
