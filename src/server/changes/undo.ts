import type { ChangeRequest } from "../../shared/channel-changes.ts";
import { diffGenerations, findChannel, generationsOf, isBeingSwept } from "../store/changes.ts";
import type { ListedRow } from "../store/changes.ts";
import { packagesByNevra } from "../store/packages.ts";
import { confirmFor, editOf, intendEdit, rowsAt, type Intention, type Read } from "./intention.ts";
import { noSuchChannel, refused, type Refused } from "./refused.ts";

/** More than any channel lists. */
const LINES_MAX = 10_000_000;

export type UndoRequest = Extract<ChangeRequest, { kind: "undo" }>;

/** An older generation's lists come back under a new, higher number. */
export async function intendUndo(read: Read, request: UndoRequest): Promise<Intention | Refused> {
  const { channel } = request;
  const found = await findChannel(read, channel);
  if (found === undefined) return noSuchChannel(channel);
  if (request.head != null && request.head !== found.head) {
    const error = `${channel} is at generation ${found.head}, no longer at ${request.head}.`;
    return refused(409, error, "Look at what has changed, and ask again.");
  }
  const [before] = await generationsOf(read, channel, { below: found.head, limit: 1 });
  const number = request.to ?? before?.number;
  if (number === undefined) {
    return refused(409, `${channel} has no earlier generation.`, "There is nothing to undo.");
  }
  const gone = await whyGone(read, found, number);
  if (gone !== undefined) {
    const hint = `GET /api/channels/${channel}/generations lists those that are kept.`;
    return refused(404, gone, hint);
  }

  const isLast = number === before?.number;
  const { add, remove, left } = await differenceOf(read, { ...found, channel }, number, isLast);
  const edit = await intendEdit(read, { channel, add, remove });
  const asked = await editOf(read, edit);
  const isSame = asked === undefined;
  return {
    kind: "undo",
    title: isSame
      ? `${channel} lists what generation ${number} did already`
      : `${channel}: back to what generation ${number} listed, as generation ${found.head + 1}`,
    edits: [edit],
    channels: [channel],
    warnings: [...edit.warnings, ...warningsAbout(add, left)],
    confirm: isSame ? null : confirmFor([channel], [...add, ...remove]),
    ask: isSame
      ? null
      : left.length === 0
        ? { kind: "restore", request: { channel, from: { channel, number } } }
        : { kind: "edit", request: { edits: [asked], yank: null } },
    atOnce: null,
  };
}

/** Undefined: it is there. */
async function whyGone(
  read: Read,
  { name, head }: { readonly name: string; readonly head: number },
  number: number,
): Promise<string | undefined> {
  const wanted = await generationAt(read, name, number);
  if (wanted === undefined || number > head) return `There is no generation ${number} of ${name}.`;
  if (wanted.sweptAt !== null) return `No longer kept is generation ${number} of ${name}.`;
  const isGoing = await isBeingSwept(read, { channel: name, number });
  return isGoing ? `Generation ${number} of ${name} is being deleted right now.` : undefined;
}

async function generationAt(read: Read, channel: string, number: number) {
  const [row] = await generationsOf(read, channel, { below: number + 1, limit: 1 });
  return row?.number === number ? row : undefined;
}

/**
 * Yanked packages come back only when the yank itself is undone, and never when their downloads are
 * refused: those in `left` stay out.
 */
async function differenceOf(
  read: Read,
  { channel, head }: { readonly channel: string; readonly head: number },
  number: number,
  isLast: boolean,
): Promise<Record<"add" | "remove" | "left", readonly ListedRow[]>> {
  const range = { from: number, to: head, limit: LINES_MAX };
  const { added, removed } = await diffGenerations(read, channel, range);
  const back = await rowsAt(read, { channel, at: number }, removed);
  const yanked = back.filter(({ yankedAt }) => yankedAt !== null);
  const facts = await packagesByNevra(
    read,
    yanked.map(({ nevra }) => nevra),
  );
  const isUndone = isLast && facts.every(({ refusedAt }) => refusedAt === null);
  return {
    add: isUndone ? back : back.filter(({ yankedAt }) => yankedAt === null),
    remove: await rowsAt(read, { channel, at: head }, added),
    left: isUndone ? [] : yanked,
  };
}

function warningsAbout(add: readonly ListedRow[], left: readonly ListedRow[]): readonly string[] {
  const names = (rows: readonly ListedRow[]): string =>
    [...new Set(rows.map(({ nevra }) => nevra))].join(", ");
  const yanked = add.filter(({ yankedAt }) => yankedAt !== null);
  return [
    ...(yanked.length === 0 ? [] : [`${names(yanked)}: no longer yanked.`]),
    ...(left.length === 0 ? [] : [`${names(left)}: yanked since, and stays away.`]),
  ];
}
