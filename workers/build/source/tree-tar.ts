import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";
import type { Header, Pack } from "tar-stream";

export interface TreeOptions {
  readonly uid: number;
  readonly gid: number;
  /** The entry's new name, or undefined to leave it out. */
  readonly rename?: (
    name: string,
    type: "file" | "directory" | "symlink",
    mode: number,
  ) => string | undefined;
  /** Asked for each file and folder after `rename`; without it the mode stays. */
  readonly mode?: (name: string, type: "file" | "directory" | "symlink", mode: number) => number;
}

/**
 * Tar in, tar out: the same files for another owner, under other names. Only regular files, folders
 * and symlinks pass, without setuid bits; names that leave the root are left out.
 */
export function repack(tar: Readable, options: TreeOptions): Readable {
  const out = pack();
  appendTree(out, tar, options).then(
    () => out.finalize(),
    (err: unknown) => out.destroy(err instanceof Error ? err : new Error(String(err))),
  );
  return Readable.from(out, { objectMode: false });
}

/** The same files for another owner, with more behind them. */
export function appendedTree(
  tar: Readable,
  options: TreeOptions,
  append: (out: Pack) => Promise<void>,
): Readable {
  const out = pack();
  appendTree(out, tar, options)
    .then(() => append(out))
    .then(
      () => out.finalize(),
      (err: unknown) => out.destroy(err instanceof Error ? err : new Error(String(err))),
    );
  return Readable.from(out, { objectMode: false });
}

/** Appends a tar's entries to another that is still open. */
export async function appendTree(out: Pack, tar: Readable, options: TreeOptions): Promise<void> {
  const entries = extract();
  tar.once("error", (err) => entries.destroy(err));
  out.once("close", () => tar.destroy());
  tar.pipe(entries);
  for await (const entry of entries) {
    const header = newHeader(entry.header, options);
    if (!header) {
      entry.resume();
      continue;
    }
    const target = out.entry(header);
    if (header.type === "file") await copy(entry as AsyncIterable<Buffer>, target);
    else entry.resume();
  }
}

type NewEntry = Parameters<Pack["entry"]>[0];

function newHeader(header: Header, options: TreeOptions): NewEntry | undefined {
  const { uid, gid, rename } = options;
  const { type } = header;
  if (type !== "file" && type !== "directory" && type !== "symlink") return undefined;
  const plain = header.name.replace(/\/+$/, "");
  if (!isInside(plain)) return undefined;
  const name = rename === undefined ? plain : rename(plain, type, header.mode ?? 0o644);
  if (name === undefined || name === "") return undefined;
  const mode = type === "symlink" ? 0o777 : (header.mode ?? 0o644) & 0o777;
  return {
    name,
    type,
    uid,
    gid,
    mode: options.mode === undefined ? mode : options.mode(name, type, mode),
    ...(header.mtime ? { mtime: header.mtime } : {}),
    ...(type === "file" ? { size: header.size ?? 0 } : {}),
    ...(type === "symlink" ? { linkname: header.linkname ?? "" } : {}),
  };
}

function isInside(name: string): boolean {
  return !name.startsWith("/") && !name.split("/").includes("..");
}

/** Hand over hand, so that a slow reader holds the archive back. */
async function copy(entry: AsyncIterable<Buffer>, target: NodeJS.WritableStream): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    target.once("finish", resolve).once("error", reject).once("close", resolve);
  });
  for await (const chunk of entry) {
    if (target.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      target.once("drain", resolve).once("close", resolve);
    });
  }
  target.end();
  await ended;
}
