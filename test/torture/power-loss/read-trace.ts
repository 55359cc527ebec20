import { join } from "node:path";

/** A change of files, below the recorded folder; paths begin behind it, without a slash. */
export type Change =
  | {
      readonly kind: "open";
      readonly file: Place;
      readonly create: boolean;
      readonly truncate: boolean;
      readonly append: boolean;
    }
  | { readonly kind: "write"; readonly file: Place; readonly at: number; readonly bytes: Buffer }
  /** Where the next write goes. */
  | { readonly kind: "seek"; readonly file: Place; readonly at: number }
  | {
      readonly kind: "resize";
      readonly path: string;
      readonly size: number;
      readonly grow: boolean;
    }
  | { readonly kind: "copy"; readonly from: Place; readonly to: Place; readonly bytes: number }
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "link"; readonly from: string; readonly to: string }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "remove"; readonly path: string }
  | { readonly kind: "sync"; readonly path: string }
  /** The whole file system. */
  | { readonly kind: "sync-all" }
  /** The server said something over HTTP. */
  | { readonly kind: "said"; readonly isYes: boolean };

/** An open file of some process: who has it knows where it stands. */
export interface Place {
  readonly path: string;
  readonly fd: string;
}

/** In place of an offset: wherever the open file stands. */
export const HERE = -1;

export interface Call {
  readonly change: Change;
  /** Seconds since 1970, as strace tells them. */
  readonly beganAt: number;
  readonly endedAt: number;
  readonly speaker: "server" | "publish";
}

interface Options {
  readonly root: string;
  /** Whether a path below it, without a slash before, is of interest. */
  readonly concerns: (path: string) => boolean;
  readonly speaker: Call["speaker"];
}

const LINE = /^(\d+) +(\d+\.\d+) (.*)$/;
const UNFINISHED = " <unfinished ...>";

/** What `strace -f -ttt -yy -xx` wrote, in the order in which the calls ended. */
export function readTrace(text: string, options: Options): readonly Call[] {
  const open = new Map<string, { readonly line: string; readonly at: number }>();
  const places: Places = { ...options, aliases: new Map() };
  const folders = new Map<string, string>();
  const calls: Call[] = [];
  for (const each of text.split("\n")) {
    const [, thread = "", time = "", rest = ""] = LINE.exec(each) ?? [];
    if (rest === "" || rest.startsWith("+") || rest.startsWith("-")) continue;
    const at = Number(time);
    if (rest.endsWith(UNFINISHED)) {
      open.set(thread, { line: rest.slice(0, -UNFINISHED.length), at });
      continue;
    }
    const began = rest.startsWith("<... ") ? open.get(thread) : undefined;
    const line =
      began === undefined ? rest : began.line + rest.slice(rest.indexOf(" resumed>") + 9);
    open.delete(thread);
    const told = parse(line);
    if (told === undefined) continue;
    noteFolder(folders, thread, told);
    const change = changeOf(told, folders.get(thread) ?? "", places);
    if (change === undefined) continue;
    calls.push({ change, beganAt: began?.at ?? at, endedAt: at, speaker: options.speaker });
  }
  return calls;
}

/** One call as strace tells it; `texts` are what stood in quotes. */
interface Told {
  readonly name: string;
  readonly args: string;
  readonly texts: readonly string[];
  readonly files: readonly (Place & { readonly isGone: boolean })[];
  /** What stands behind the last text or file: offsets, sizes, flags. */
  readonly numbers: readonly string[];
  readonly result: string;
}

function parse(line: string): Told | undefined {
  const open = line.indexOf("(");
  const close = line.lastIndexOf(") = ");
  if (open < 0 || close < 0) return undefined;
  const result = line.slice(close + 4);
  if (result.startsWith("-1") || result.startsWith("?")) return undefined;
  const args = line.slice(open + 1, close);
  // All in quotes is hexadecimal, so no quote is part of it.
  const texts = args.split('"').filter((_text, index) => index % 2 === 1);
  const files = [...args.matchAll(/(\d+|AT_FDCWD)<([^>]*(?:->[^>]*)?)>(\(deleted\))?/g)].map(
    ([, fd = "", path = "", gone]) => ({ fd, path: plain(path), isGone: gone !== undefined }),
  );
  const end = Math.max(args.lastIndexOf('"'), args.lastIndexOf(">"), args.lastIndexOf("]"));
  const numbers = args
    .slice(end + 1)
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);
  return { name: line.slice(0, open), args, texts, files, numbers, result };
}

function plain(hex: string): string {
  return hex.includes("\\x") ? bytesOf(hex).toString() : hex;
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll("\\x", ""), "hex");
}

/** Programs of git name files from where they stand; each open tells where that is. */
function noteFolder(folders: Map<string, string>, thread: string, { name, texts, files }: Told) {
  const [first] = files;
  if (first?.fd === "AT_FDCWD") folders.set(thread, first.path);
  if (name === "chdir") {
    const to = plain(texts[0] ?? "");
    folders.set(thread, to.startsWith("/") ? to : join(folders.get(thread) ?? "/", to));
  }
}

function changeOf(told: Told, folder: string, places: Places): Change | undefined {
  const { name, texts, files, numbers, result } = told;
  const inside = (path: string): string | undefined => insideOf(places, path);
  const named = (at: number): string | undefined => {
    const path = plain(texts[at] ?? "");
    const dir = files[name.includes("at") ? at : -1]?.path ?? folder;
    return inside(path.startsWith("/") ? join(path) : join(dir, path));
  };
  const [file] = files;
  const own = file === undefined || file.isGone ? undefined : inside(file.path);
  const place = own === undefined || file === undefined ? undefined : { path: own, fd: file.fd };
  const number = (at: number): number => Number(numbers.at(at) ?? HERE);
  switch (name) {
    case "openat":
    case "open":
    case "creat":
      return opened(told, named(0), inside);
    case "write":
    case "writev":
      if (file?.path.startsWith("TCP")) return saidOn(texts);
      return place && { kind: "write", file: place, at: HERE, bytes: written(texts, result) };
    case "pwrite64":
    case "pwritev":
      return place && { kind: "write", file: place, at: number(-1), bytes: written(texts, result) };
    case "lseek":
      return place && { kind: "seek", file: place, at: Number(result) };
    case "ftruncate":
      return place && { kind: "resize", path: place.path, size: number(-1), grow: false };
    case "truncate":
      return resized(named(0), number(-1));
    case "fallocate":
      return (
        place && { kind: "resize", path: place.path, size: number(-1) + number(-2), grow: true }
      );
    case "copy_file_range":
    case "sendfile":
      return copied(told, inside);
    case "splice":
      return place && unknown(told);
    case "mkdir":
    case "mkdirat":
      return one(named(0), (path) => ({ kind: "folder", path }));
    case "unlink":
    case "unlinkat":
    case "rmdir":
      return one(named(0), (path) => ({ kind: "remove", path }));
    case "symlink":
      noteAlias(places, told);
      return one(named(1), (path) => ({ kind: "symlink", path, target: plain(texts[0] ?? "") }));
    case "rename":
    case "renameat":
    case "renameat2":
      return two(told, "rename", named(0), named(1));
    case "link":
    case "linkat":
      return two(told, "link", named(0), named(1));
    case "fsync":
    case "fdatasync":
      return place && { kind: "sync", path: place.path };
    case "sync":
    case "syncfs":
      return { kind: "sync-all" };
    case "chdir":
      return undefined;
    default:
      return own === undefined ? undefined : unknown(told);
  }
}

interface Places extends Options {
  /** Links from elsewhere, such as gpg's short name for a long folder. */
  readonly aliases: Map<string, string>;
}

function noteAlias(places: Places, { texts }: Told): void {
  const [target = "", path = ""] = texts.map(plain);
  if (target.startsWith(places.root)) places.aliases.set(path, target);
}

function insideOf({ root, concerns, aliases }: Places, named: string): string | undefined {
  const alias = [...aliases.keys()].find((path) => named.startsWith(`${path}/`));
  const path = alias === undefined ? named : (aliases.get(alias) ?? "") + named.slice(alias.length);
  if (path === root) return "";
  const below = path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
  return below === undefined || !concerns(below) ? undefined : below;
}

function opened(
  { args, result }: Told,
  path: string | undefined,
  inside: (path: string) => string | undefined,
): Change | undefined {
  if (path === undefined) return undefined;
  const [, fd = "", real = ""] = /^(\d+)<([^>]*)>/.exec(result) ?? [];
  const opened = inside(plain(real)) ?? path;
  const has = (flag: string): boolean => args.includes(flag);
  return {
    kind: "open",
    file: { path: has("O_CREAT") ? path : opened, fd },
    create: has("O_CREAT"),
    truncate: has("O_TRUNC"),
    append: has("O_APPEND"),
  };
}

/** An answer that begins: whether it says yes. Later parts of one say nothing new. */
function saidOn(texts: readonly string[]): Change {
  const head = bytesOf((texts[0] ?? "").slice(0, 4 * 12)).toString("latin1");
  return { kind: "said", isYes: head.startsWith("HTTP/1.1 2") };
}

function written(texts: readonly string[], result: string): Buffer {
  return Buffer.concat(texts.map(bytesOf)).subarray(0, Number(result));
}

function resized(path: string | undefined, size: number): Change | undefined {
  return one(path, (known) => ({ kind: "resize", path: known, size, grow: false }));
}

function one(path: string | undefined, make: (path: string) => Change): Change | undefined {
  return path === undefined ? undefined : make(path);
}

function two(
  told: Told,
  kind: "rename" | "link",
  from: string | undefined,
  to: string | undefined,
): Change | undefined {
  if (from !== undefined && to !== undefined) return { kind, from, to };
  return from === undefined && to === undefined ? undefined : unknown(told);
}

function copied(told: Told, inside: (path: string) => string | undefined): Change | undefined {
  const [first, second] = told.files;
  if (first === undefined || second === undefined) return undefined;
  // sendfile names the receiver first.
  const [source, target] = told.name === "sendfile" ? [second, first] : [first, second];
  const [from, to] = [inside(source.path), inside(target.path)];
  if (to === undefined) return undefined;
  if (from === undefined) return unknown(told);
  const bytes = Number(told.result);
  return {
    kind: "copy",
    from: { path: from, fd: source.fd },
    to: { path: to, fd: target.fd },
    bytes,
  };
}

function unknown({ name, args }: Told): never {
  throw new Error(`The recording does not understand ${name}(${plain(args).slice(0, 300)}).`);
}
