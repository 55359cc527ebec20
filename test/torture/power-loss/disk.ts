import type { Call, Change, Place } from "./read-trace.ts";
import { HERE } from "./read-trace.ts";

/** What was asked of a file's bytes, in one call. */
export type FileChange =
  | { readonly kind: "write"; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "resize"; readonly size: number; readonly grow: boolean };

export interface File {
  readonly kind: "file";
  readonly id: number;
  /** What certainly is on the disk, and how often that has changed. */
  durable: Buffer;
  version: number;
  /** What is in memory and may or may not have reached the disk, oldest first. */
  pending: Timed<FileChange>[];
  /** As programs see it. */
  size: number;
}

export interface Symlink {
  readonly kind: "symlink";
  readonly id: number;
  readonly target: string;
}

/** Changes of one call share a group: a rename happens whole or not at all. */
export interface NameChange {
  readonly group: number;
  readonly folder: Folder;
  readonly name: string;
  /** Undefined: the name goes. */
  readonly node: Node | undefined;
}

export interface Folder {
  readonly kind: "folder";
  readonly id: number;
  readonly durable: Map<string, Node>;
  /** Oldest first. */
  pending: Timed<NameChange>[];
  /** As programs see it. */
  readonly now: Map<string, Node>;
}

export type Node = File | Folder | Symlink;

export interface Timed<T> {
  readonly endedAt: number;
  readonly change: T;
}

/** A call whose folder or file is made by a call that is told later. */
class TooEarly extends Error {
  override readonly name = "TooEarly";
}

/** Threads overtake each other between the kernel and strace: a call comes after what it needs. */
export function inOrder(calls: readonly Call[]): readonly Call[] {
  const disk = new Disk();
  const ordered: Call[] = [];
  const take = (call: Call): TooEarly | undefined => {
    try {
      disk.apply(call);
      ordered.push(call);
      return undefined;
    } catch (err) {
      if (err instanceof TooEarly) return err;
      throw err;
    }
  };
  let waiting: readonly Call[] = [];
  for (const call of calls) {
    if (take(call) === undefined) waiting = waiting.filter((one) => take(one) !== undefined);
    else waiting = [...waiting, call];
  }
  for (const call of waiting) {
    const cause = take(call);
    if (cause !== undefined) throw new Error("The recording is not whole.", { cause });
  }
  return ordered;
}

/**
 * The file system of a recording, as programs saw it and as far as the disk had promised to keep it:
 * `fsync` of a file promises its bytes, that of a folder its names, and nothing else promises anything.
 */
export class Disk {
  readonly root: Folder = folder(0);
  #ids = 1;
  /** Where open files stand, and whether they append. */
  readonly #stands = new Map<string, { at: number; append: boolean }>();
  readonly #folders = new Set<Folder>([this.root]);
  readonly #dirty = new Set<File>();

  /** Calls come in the order in which they ended. */
  apply({ change, beganAt, endedAt }: Call): void {
    switch (change.kind) {
      case "open":
        return this.#open(change, endedAt);
      case "write":
        return this.#write(change, endedAt);
      case "seek":
        return this.#seek(change);
      case "resize":
        return this.#resize(change, endedAt);
      case "copy":
        return this.#copy(change, endedAt);
      case "folder":
        return this.#enter(change.path, this.#newFolder(), endedAt);
      case "symlink":
        return this.#enter(change.path, this.#symlink(change.target), endedAt);
      case "link":
        return this.#enter(change.to, this.#there(change.from), endedAt);
      case "rename":
        return this.#rename(change, endedAt);
      case "remove":
        return this.#enter(change.path, undefined, endedAt);
      case "sync":
        return this.#sync(this.#there(change.path), beganAt);
      case "sync-all":
        // A file that is synced leaves the set, which a loop over it allows.
        for (const file of this.#dirty) this.#syncFile(file, beganAt);
        for (const each of this.#folders) this.#syncFolder(each, beganAt);
        return;
      case "said":
        return;
    }
  }

  find(path: string): Node | undefined {
    let at: Node = this.root;
    for (const name of path.split("/").filter(Boolean)) {
      const next: Node | undefined = at.kind === "folder" ? at.now.get(name) : undefined;
      if (next === undefined) return undefined;
      at = next;
    }
    return at;
  }

  /** When what is in memory came there. */
  pendingMoments(): readonly number[] {
    const moments = [...this.#dirty, ...this.#folders].flatMap(({ pending }) =>
      pending.map(({ endedAt }) => endedAt),
    );
    return moments.toSorted((one, other) => one - other);
  }

  /** Tells equal states of the disk from others. */
  hasPending(concerns: (path: string) => boolean): boolean {
    return [...this.root.now].some(
      ([name, node]) => concerns(name) && node.kind === "file" && node.pending.length > 0,
    );
  }

  #open({ file, create, truncate, append }: Change & { kind: "open" }, endedAt: number): void {
    if (create && this.find(file.path) === undefined) {
      const made: File = {
        kind: "file",
        id: (this.#ids += 1),
        durable: Buffer.alloc(0),
        version: 0,
        pending: [],
        size: 0,
      };
      this.#enter(file.path, made, endedAt);
    }
    const found = this.#fileAt(file.path);
    if (found === undefined) return;
    if (truncate) this.#change(found, { kind: "resize", size: 0, grow: false }, endedAt);
    this.#stands.set(standOf(found, file), { at: 0, append });
  }

  #write({ file, at, bytes }: Change & { kind: "write" }, endedAt: number): void {
    const found = this.#fileAt(file.path);
    if (found === undefined) throw new TooEarly(`${file.path} is not there.`);
    const stand = this.#stands.get(standOf(found, file)) ?? { at: 0, append: false };
    const from = at === HERE ? (stand.append ? found.size : stand.at) : at;
    this.#change(found, { kind: "write", at: from, bytes }, endedAt);
    if (at !== HERE) return;
    this.#stands.set(standOf(found, file), { ...stand, at: from + bytes.length });
  }

  #seek({ file, at }: Change & { kind: "seek" }): void {
    const found = this.#fileAt(file.path);
    if (found === undefined) return;
    const append = this.#stands.get(standOf(found, file))?.append ?? false;
    this.#stands.set(standOf(found, file), { at, append });
  }

  #resize({ path, size, grow }: Change & { kind: "resize" }, endedAt: number): void {
    const found = this.#fileAt(path);
    if (found !== undefined) this.#change(found, { kind: "resize", size, grow }, endedAt);
  }

  #copy({ from, to, bytes }: Change & { kind: "copy" }, endedAt: number): void {
    const source = this.#fileAt(from.path);
    if (source === undefined) throw new Error(`A copy of ${from.path}, which is not there.`);
    const at = this.#stands.get(standOf(source, from))?.at ?? 0;
    const copied = contentOf(source).subarray(at, at + bytes);
    this.#stands.set(standOf(source, from), { at: at + bytes, append: false });
    this.#write({ kind: "write", file: to, at: HERE, bytes: copied }, endedAt);
  }

  #rename({ from, to }: Change & { kind: "rename" }, endedAt: number): void {
    const node = this.#there(from);
    const group = (this.#ids += 1);
    this.#enter(to, node, endedAt, group);
    this.#enter(from, undefined, endedAt, group);
  }

  #there(path: string): Node {
    const node = this.find(path);
    if (node === undefined) throw new TooEarly(`${path} is not there.`);
    return node;
  }

  #enter(path: string, node: Node | undefined, endedAt: number, group = (this.#ids += 1)): void {
    const cut = path.lastIndexOf("/");
    const name = path.slice(cut + 1);
    const parent = this.find(path.slice(0, Math.max(0, cut)));
    if (parent?.kind !== "folder") throw new TooEarly(`${path} has no folder.`);
    if (node === undefined) parent.now.delete(name);
    else parent.now.set(name, node);
    parent.pending.push({ endedAt, change: { group, folder: parent, name, node } });
  }

  #change(file: File, change: FileChange, endedAt: number): void {
    file.pending.push({ endedAt, change });
    this.#dirty.add(file);
    if (change.kind === "write") file.size = Math.max(file.size, change.at + change.bytes.length);
    else file.size = change.grow ? Math.max(file.size, change.size) : change.size;
  }

  #fileAt(path: string): File | undefined {
    const node = this.find(path);
    return node?.kind === "file" ? node : undefined;
  }

  #newFolder(): Folder {
    const made = folder((this.#ids += 1));
    this.#folders.add(made);
    return made;
  }

  #symlink(target: string): Symlink {
    return { kind: "symlink", id: (this.#ids += 1), target };
  }

  #sync(node: Node, beganAt: number): void {
    if (node.kind === "file") this.#syncFile(node, beganAt);
    if (node.kind === "folder") this.#syncFolder(node, beganAt);
  }

  /** What ended before the sync began. */
  #syncFile(file: File, beganAt: number): void {
    const count = file.pending.filter(({ endedAt }) => endedAt <= beganAt).length;
    if (count === 0) return;
    file.durable = applied(
      file.durable,
      file.pending.slice(0, count).map(({ change }) => change),
    );
    file.version += 1;
    file.pending = file.pending.slice(count);
    if (file.pending.length === 0) this.#dirty.delete(file);
  }

  #syncFolder(folder: Folder, beganAt: number): void {
    const done = folder.pending.filter(({ endedAt }) => endedAt <= beganAt);
    const groups = new Set(done.map(({ change }) => change.group));
    for (const { change } of done) enter(folder.durable, change);
    folder.pending = folder.pending.filter(({ change }) => !groups.has(change.group));
    if (groups.size === 0) return;
    // The other half of a rename: file systems keep both or none.
    for (const other of this.#folders) {
      if (!other.pending.some(({ change }) => groups.has(change.group))) continue;
      const last = other.pending.findLastIndex(({ change }) => groups.has(change.group));
      for (const { change } of other.pending.slice(0, last + 1)) enter(other.durable, change);
      other.pending = other.pending.slice(last + 1);
    }
  }
}

function folder(id: number): Folder {
  return { kind: "folder", id, durable: new Map(), pending: [], now: new Map() };
}

export function enter(names: Map<string, Node>, { name, node }: NameChange): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

function standOf({ id }: File, { fd }: Place): string {
  return `${id} ${fd}`;
}

/** As programs see it. */
export function contentOf(file: File): Buffer {
  return applied(
    file.durable,
    file.pending.map(({ change }) => change),
  );
}

export function applied(before: Buffer, changes: readonly FileChange[]): Buffer {
  let sizeMax = before.length;
  let size = before.length;
  for (const change of changes) {
    if (change.kind === "write") size = Math.max(size, change.at + change.bytes.length);
    else size = change.grow ? Math.max(size, change.size) : change.size;
    sizeMax = Math.max(sizeMax, size);
  }
  if (changes.length === 0) return before;
  const bytes = Buffer.alloc(sizeMax);
  before.copy(bytes);
  let end = before.length;
  for (const change of changes) {
    if (change.kind === "write") {
      change.bytes.copy(bytes, change.at);
      end = Math.max(end, change.at + change.bytes.length);
    } else if (change.grow) {
      end = Math.max(end, change.size);
    } else {
      bytes.fill(0, Math.min(change.size, end), end);
      end = change.size;
    }
  }
  return bytes.subarray(0, end);
}
