/** The system calls that ask a disk to take something, as our processes and git make them. */
export const CALLS = [
  "write",
  "pwrite64",
  "writev",
  "pwritev",
  "fsync",
  "fdatasync",
  "ftruncate",
  "fallocate",
  "openat",
  "mkdir",
  "rename",
  "link",
  "unlink",
  "copy_file_range",
  "utimensat",
] as const;
export type Call = (typeof CALLS)[number];

/** One such call on a path of ours, as strace told it. */
export interface Seen {
  readonly thread: number;
  readonly call: string;
  /** Counted per thread and call, from 1, as strace's `when` does. */
  readonly nth: number;
  readonly path: string;
  readonly isInjected: boolean;
  /**
   * False: the call was on no file of ours, and is told only since it was injected. The counter that
   * node's threads wake each other by is written with the same call, and node ends itself by SIGABRT
   * when that fails: no disk does so.
   */
  readonly isOurs: boolean;
  /** What it was answered, if that was an error. */
  readonly error: string;
}

const LINE = /^(?:(\d+)\s+)?(\w+)\((.*)$/;
const RESUMED = /^(?:(\d+)\s+)?<\.\.\. (\w+) resumed>(.*)$/;

/** What strace (`-y`) wrote: every call below `root`, but opens that make nothing, and all it injected. */
export function readTrace(text: string, root: string): readonly Seen[] {
  const counts = new Map<string, number>();
  const open = new Map<number, { call: string; nth: number; args: string }>();
  const seen: Seen[] = [];
  const end = (thread: number, call: string, nth: number, line: string): void => {
    const path = pathIn(line, root);
    const isInjected = line.includes("(INJECTED)");
    const makesNothing = call === "openat" && !line.includes("O_CREAT");
    const isOurs = path !== undefined && !makesNothing;
    if (!isOurs && !isInjected) return;
    const error = / = -1 (E[A-Z]+)/.exec(line)?.[1] ?? "";
    seen.push({ thread, call, nth, path: path ?? "", isInjected, isOurs, error });
  };
  for (const line of text.split("\n")) {
    const resumed = RESUMED.exec(line);
    if (resumed !== null) {
      const thread = Number(resumed[1] ?? 0);
      const began = open.get(thread);
      open.delete(thread);
      if (began !== undefined) end(thread, began.call, began.nth, began.args + (resumed[3] ?? ""));
      continue;
    }
    const [, pid = "0", call, args = ""] = LINE.exec(line) ?? [];
    if (call === undefined) continue;
    const thread = Number(pid);
    const key = `${thread} ${call}`;
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    if (args.includes("<unfinished ...>")) open.set(thread, { call, nth, args });
    else end(thread, call, nth, args);
  }
  return seen;
}

/** The last one named: where a rename or link leads to. */
function pathIn(line: string, root: string): string | undefined {
  const result = line.lastIndexOf(") = ");
  const args = result < 0 ? line : line.slice(0, result);
  const named = [...args.matchAll(/["<]([^"<>]+)[">]/g)].map(([, path = ""]) => path);
  return named
    .filter((path) => path.startsWith(`${root}/`))
    .at(-1)
    ?.slice(root.length + 1);
}

/**
 * Names that differ from life to life become one, and so do those that one line of code writes: the
 * logs of all steps, the targets of a channel, the documents of a target. `logs/I/I/N/S.log`
 */
export function classOf(path: string): string {
  const plain = path
    .replace(/(tmp_[a-z]+|tmp_objdir-[a-z-]+|bulk_fsync)[-_][A-Za-z0-9]{6}(?=\/|$)/g, "$1")
    .replace(
      /\/(pool|signed|artifacts|objects|segments|tmp_[a-z-]+)\/[0-9a-f]{2}(?=\/|$)/g,
      "/$1/H",
    )
    .replace(/^(artifacts)\/[0-9a-f]{2}(?=\/|$)/, "$1/H");
  return plain
    .split("/")
    .map((part) =>
      part
        .replace(/\.(?:part|staged)?-?[a-z]*-[a-z0-9]{12}$/, ".PART")
        .replace(/[0-9a-f]{32,64}/g, "H")
        .replace(/\b[a-z]{1,8}-[a-z0-9]{12}\b/g, "I")
        .replace(/^[A-Za-z0-9_.+~^-]+\.rpm$/, "P.rpm")
        .replace(/^disk-tiny-[0-9a-f]+\.git$/, "M.git")
        .replace(/^(?:primary|filelists|other)\.ends$/, "D.ends")
        .replace(/^(?!report|server|build|publish)[a-z]+\.log(\.mark)?$/, "S.log$1")
        .replace(/^(?:debian|el)\d+\.\w+(?:-source)?$/, "T")
        .replace(/\d+/g, "N"),
    )
    .join("/");
}
