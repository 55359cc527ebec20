import { join } from "node:path";

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
  readonly call: string;
  readonly path: string;
  readonly isInjected: boolean;
  /** What it was answered, if that was an error. */
  readonly error: string;
}

const LINE = /^(?:(\d+)\s+)?(\w+)\((.*)$/;
const RESUMED = /^(?:(\d+)\s+)?<\.\.\. (\w+) resumed>(.*)$/;

/** What strace (`-y`) wrote: every call below `root`, but opens that make nothing. */
export function readTrace(text: string, root: string): readonly Seen[] {
  const open = new Map<string, { readonly call: string; readonly args: string }>();
  const seen: Seen[] = [];
  let folder = "";
  const end = (call: string, line: string): void => {
    // All git programs of one push or fetch work in one folder, and name files from there.
    if (call === "chdir") {
      const to = /^"([^"]+)"\) = 0/.exec(line)?.[1] ?? folder;
      folder = to.startsWith("/") ? to : join(folder, to);
      return;
    }
    const path = pathIn(line, { root, folder });
    const makesNothing = call === "openat" && !line.includes("O_CREAT");
    if (path === undefined || makesNothing) return;
    const error = / = -1 (E[A-Z]+)/.exec(line)?.[1] ?? "";
    seen.push({ call, path, isInjected: line.includes("(INJECTED)"), error });
  };
  for (const line of text.split("\n")) {
    const [, ended = "", , rest = ""] = RESUMED.exec(line) ?? [];
    const began = open.get(ended);
    if (RESUMED.test(line)) {
      open.delete(ended);
      if (began !== undefined) end(began.call, began.args + rest);
      continue;
    }
    const [, thread = "", call, args = ""] = LINE.exec(line) ?? [];
    if (call === undefined) continue;
    if (args.includes("<unfinished ...>")) open.set(thread, { call, args });
    else end(call, args);
  }
  return seen;
}

/** The last one named: where a rename or link leads to. */
function pathIn(
  line: string,
  { root, folder }: { readonly root: string; readonly folder: string },
): string | undefined {
  const result = line.lastIndexOf(") = ");
  const args = result < 0 ? line : line.slice(0, result);
  return [...args.matchAll(/(["<])([^"<>]+)[">]/g)]
    .map(([, mark, path = ""]) =>
      mark === "<" || path.startsWith("/") ? path : `${folder}/${path}`,
    )
    .filter((path) => path.startsWith(`${root}/`))
    .at(-1)
    ?.slice(root.length + 1);
}
