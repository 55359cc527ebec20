import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { compress, compressSync } from "../../../../src/yum/compression.ts";
import { footText, headText } from "../../../../src/yum/documents.ts";
import { DOCUMENTS } from "../../../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../../../src/yum/layout.ts";
import type { Fragments } from "../../../../src/yum/rpm/fragments.ts";
import { memberFile } from "../../../../src/yum/target-state.ts";
import type { Compression, SegmentRef } from "../../../../src/yum/target-state.ts";
import type { AssembledDocument, AssembledView } from "../assembly-calls.ts";
import { longestPrefix, prefixKeys } from "./prefix-states.ts";
import type { Lane, PrefixStates } from "./prefix-states.ts";
import { readMember, readOpenMember } from "./segment-files.ts";

/** What comes after the last segment, once as XML and once as the document's last member. */
export interface DocumentEnd {
  readonly open: Buffer;
  readonly compressed: Buffer;
}
export type DocumentEnds = Readonly<Record<DocumentName, DocumentEnd>>;

export interface View {
  readonly compression: Compression;
  readonly segments: readonly SegmentRef[];
  readonly ends: DocumentEnds;
  readonly packages: number;
}

/**
 * So much XML is decompressed and hashed while a publish waits, some 60 ms; for more, which no state
 * was prepared for, clients get no open-checksum.
 */
const OPEN_BYTES_MAX = 16 * 2 ** 20;

export async function documentEnds(
  compression: Compression,
  tail: readonly Fragments[],
): Promise<DocumentEnds> {
  const ends = DOCUMENTS.map(async (name): Promise<[DocumentName, DocumentEnd]> => {
    const open = Buffer.from(tail.map((each) => each[name]).join("") + footText(name));
    const isSmall = tail.length === 0;
    const compressed = isSmall ? compressSync(compression, open) : compress(compression, open);
    return [name, { open, compressed: await compressed }];
  });
  return Object.fromEntries(await Promise.all(ends)) as DocumentEnds;
}

/** Costs as much as the view's last members where states were prepared, however long it is. */
export async function assembleView(
  layout: YumLayout,
  states: PrefixStates,
  view: View,
): Promise<AssembledView> {
  const keys = prefixKeys(view.compression, view.segments);
  const made = DOCUMENTS.map(async (document) => {
    const parts = { layout, states, view, keys, document };
    return [document, await assembleDocument(parts)] as const;
  });
  return Object.fromEntries(await Promise.all(made)) as AssembledView;
}

interface Parts {
  readonly layout: YumLayout;
  readonly states: PrefixStates;
  readonly view: View;
  readonly keys: readonly string[];
  readonly document: DocumentName;
}

async function assembleDocument(parts: Parts): Promise<AssembledDocument> {
  const { view, document } = parts;
  const headOpen = Buffer.from(headText(document, view.packages));
  const head = compressSync(view.compression, headOpen);
  const end = view.ends[document];
  const compressed = await hashPrefix(parts, "compressed", head);
  const open = await hashPrefix(parts, "open", headOpen);
  const sha256 = compressed?.update(end.compressed).digest("hex") ?? "";
  const ends = Buffer.concat([head, end.compressed]);
  const inSegments = sizesOf(view.segments, document);
  return {
    fileName: `${sha256}-${memberFile(document, view.compression)}`,
    sha256,
    sizeBytes: inSegments.bytes + ends.length,
    openSha256: open?.update(end.open).digest("hex") ?? null,
    openSizeBytes: headOpen.length + inSegments.openBytes + end.open.length,
    headBytes: head.length,
    endBytes: end.compressed.length,
    ends,
  };
}

/** From the longest prepared state on. Undefined if it would take too long, and can be left out. */
async function hashPrefix(
  { layout, states, view, keys, document }: Parts,
  form: Lane["form"],
  head: Buffer,
): Promise<Hash | undefined> {
  const lane = { document, form };
  const covered = longestPrefix(states, lane, keys, view.packages);
  const rest = view.segments.slice(covered ?? 0);
  if (form === "open" && openBytesOf(rest) > OPEN_BYTES_MAX) return undefined;

  const start =
    covered === undefined ? undefined : states.get(lane, keys[covered] ?? "", view.packages);
  const hash = start ?? createHash("sha256").update(head);
  const read = form === "open" ? readOpenMember : readMember;
  for (const { id } of rest) {
    hash.update(await read(layout, { id, compression: view.compression }, document));
  }
  return hash;
}

function openBytesOf(segments: readonly SegmentRef[]): number {
  return DOCUMENTS.reduce((sum, name) => sum + sizesOf(segments, name).openBytes, 0);
}

function sizesOf(segments: readonly SegmentRef[], document: DocumentName) {
  const sum = (of: (member: SegmentRef["members"][DocumentName]) => number): number =>
    segments.reduce((total, { members }) => total + of(members[document]), 0);
  return { bytes: sum(({ bytes }) => bytes), openBytes: sum(({ openBytes }) => openBytes) };
}
