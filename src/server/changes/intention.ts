import { workOut, type ListedVersion, type WorkedOut } from "../../domain/channel-changes.ts";
import { GUARDED_CHANNEL } from "../../domain/channel.ts";
import type { ChangeKind } from "../../shared/channel-changes.ts";
import type { ChannelEditRequest, ChangeWish, ListedRow } from "../store/changes.ts";
import { advisoriesFor, listedIn } from "../store/changes.ts";
import type { Reader } from "../store/store.ts";

export type Read = Pick<Reader, "db" | "now">;

/** What a request comes to, read from the records alone. */
export interface Intention {
  readonly kind: ChangeKind;
  /** One sentence, for what is to be done or has been. */
  readonly title: string;
  readonly edits: readonly ChannelIntention[];
  readonly channels: readonly string[];
  readonly warnings: readonly string[];
  readonly confirm: string | null;
  /** For the publish worker; null: everything is as wished already. */
  readonly ask: Pick<ChangeWish, "kind" | "request"> | null;
  /** Made true in the moment in which it is asked for, before any publish. */
  readonly atOnce: {
    readonly nevras: readonly string[];
    readonly reason: string;
    readonly refuse: boolean;
  } | null;
}

/** How one channel would change. */
export interface ChannelIntention extends WorkedOut {
  readonly channel: string;
  /** Where what is added is listed already; null: nothing is added, or it was here before. */
  readonly from: string | null;
  readonly addRows: readonly ListedRow[];
  readonly removeRows: readonly ListedRow[];
}

/** Works out what adding and removing these rows means for a channel's hosts. */
export async function intendEdit(
  read: Read,
  change: {
    readonly channel: string;
    readonly from?: string;
    readonly add: readonly ListedRow[];
    readonly remove: readonly ListedRow[];
  },
): Promise<ChannelIntention> {
  const { channel } = change;
  const names = [...new Set([...change.add, ...change.remove].map(({ name }) => name))];
  const before = await listedIn(read, { channel, names });
  const worked = workOut({ ...change, before });
  return {
    ...worked,
    channel,
    from: change.from ?? null,
    addRows: rowsOf(worked.add, change.add),
    removeRows: rowsOf(worked.remove, change.remove),
  };
}

function rowsOf(
  lines: readonly { readonly target: string; readonly nevra: string }[],
  rows: readonly ListedRow[],
): readonly ListedRow[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  return lines.flatMap((line) => byKey.get(keyOf(line)) ?? []);
}

/** Lines of a listing with all facts of their packages. */
export async function rowsAt(
  read: Read,
  place: { readonly channel: string; readonly at?: number },
  lines: readonly { readonly target: string; readonly nevra: string }[],
): Promise<readonly ListedRow[]> {
  const keys = new Set(lines.map(keyOf));
  const nevras = [...new Set(lines.map(({ nevra }) => nevra))];
  const rows = await listedIn(read, { ...place, nevras });
  return rows.filter((row) => keys.has(keyOf(row)));
}

export function keyOf(row: Pick<ListedVersion, "target" | "nevra">): string {
  return `${row.target} ${row.nevra}`;
}

/** The part of a publish request that a channel's change becomes; undefined when nothing changes. */
export async function editOf(
  read: Read,
  { channel, addRows, removeRows }: ChannelIntention,
): Promise<ChannelEditRequest | undefined> {
  if (addRows.length + removeRows.length === 0) return undefined;
  const nevras = [...new Set(addRows.map(({ nevra }) => nevra))];
  return {
    channel,
    add: addRows.map(({ nevra, sha256, fileName, sizeBytes, target }) => ({
      nevra,
      sha256,
      fileName,
      sizeBytes,
      target,
    })),
    remove: removeRows.map(({ target, nevra }) => ({ target, nevra })),
    advisories: [...(await advisoriesFor(read, nevras))],
    extras: [],
    rewrite: false,
  };
}

/** The one name, or else the channel's; only the channel that everybody's hosts follow asks for it. */
export function confirmFor(channels: readonly string[], rows: readonly ListedRow[]): string | null {
  if (!channels.includes(GUARDED_CHANNEL)) return null;
  const names = new Set(rows.filter(({ target }) => !isSibling(target)).map(({ name }) => name));
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : GUARDED_CHANNEL;
}

export function isSibling(target: string): boolean {
  return /-(?:source|debug)$/.test(target);
}

/** `hello-1.0-1.el9.x86_64`, `3 packages`: those that hosts install, unless there are only others. */
export function packagesSaid(rows: readonly Pick<ListedRow, "target" | "nevra">[]): string {
  const main = rows.filter(({ target }) => !isSibling(target));
  return nevrasSaid((main.length > 0 ? main : rows).map(({ nevra }) => nevra));
}

export function nevrasSaid(nevras: Iterable<string>): string {
  const [first = "", ...others] = new Set(nevras);
  return others.length === 0 ? first : `${others.length + 1} packages`;
}
