import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { DOCUMENTS, yumLayout } from "../../src/yum/layout.ts";
import type { DocumentName } from "../../src/yum/layout.ts";
import {
  endsFile,
  layerName,
  memberFile,
  segmentsOf,
  servedSince,
  SUFFIX,
} from "../../src/yum/target-state.ts";
import type {
  Compression,
  ExtraDocument,
  GenerationFile,
  ListedPackage,
  SegmentFile,
  SegmentRef,
  TargetState,
  View,
  ViewDocument,
} from "../../src/yum/target-state.ts";

/** A package and its XML in each document. */
export interface TreePackage {
  readonly listed: ListedPackage;
  readonly xml: Readonly<Record<DocumentName, string>>;
}

export interface TreeTarget {
  readonly segments: readonly (readonly TreePackage[])[];
  readonly tail: readonly TreePackage[];
  readonly compression?: Compression;
  /** 0: without layers. */
  readonly baseSegments?: number;
  readonly updatesFrom?: number;
  /** An earlier generation's views that are to stay as they are. */
  readonly keep?: { readonly base?: View };
  readonly extras?: readonly { readonly type: string; readonly text: string }[];
}

export interface TreeGeneration {
  readonly channel: string;
  readonly number: number;
  /** Those that change; the others stay where `before` has them. */
  readonly targets: Readonly<Record<string, TreeTarget>>;
  readonly before?: GenerationFile;
}

export interface WrittenGeneration {
  readonly file: GenerationFile;
  readonly states: Readonly<Record<string, TargetState>>;
  /** Served name → generation, of the changed targets. */
  readonly served: Readonly<Record<string, number>>;
}

/** Makes the detached signature of a `repomd.xml`, armoured. */
export type SignMetadata = (repomd: Buffer) => Promise<string>;

const XML = '<?xml version="1.0" encoding="UTF-8"?>';
const LINUX = "http://linux.duke.edu/metadata";
const ROOTS = {
  primary: ["metadata", `xmlns="${LINUX}/common" xmlns:rpm="${LINUX}/rpm"`],
  filelists: ["filelists", `xmlns="${LINUX}/filelists"`],
  other: ["otherdata", `xmlns="${LINUX}/other"`],
} as const;

/**
 * Writes one generation in the segment format, from scratch and as plainly as it can be said: what
 * the publish worker's engine must agree with.
 */
export async function writeGeneration(
  yumDir: string,
  generation: TreeGeneration,
  sign: SignMetadata,
): Promise<WrittenGeneration> {
  const { channel, number, before } = generation;
  const layout = yumLayout(yumDir);
  const states: Record<string, TargetState> = {};
  for (const [target, wish] of Object.entries(generation.targets)) {
    states[target] = await writeTarget({ yumDir, channel, number, target, wish, sign });
    const folder = layout.served(channel, number, target);
    await writeInto(join(folder, "target.json"), JSON.stringify(states[target]));
  }
  const own = Object.keys(states).map((target) => [target, number] as const);
  const file: GenerationFile = {
    format: 2,
    channel,
    number,
    base: before?.number ?? 0,
    builtFor: ["p-1"],
    createdAt: 1_700_000_000_000,
    targets: { ...before?.targets, ...Object.fromEntries(own) },
  };
  const path = join(layout.generation(channel, number), "generation.json");
  await writeInto(path, JSON.stringify(file));
  const served = Object.entries(states).map(([target, state]) => servedSince(target, state));
  return { file, states, served: Object.assign({}, ...served) as Record<string, number> };
}

interface TargetWork {
  readonly yumDir: string;
  readonly channel: string;
  readonly number: number;
  readonly target: string;
  readonly wish: TreeTarget;
  readonly sign: SignMetadata;
}

async function writeTarget(work: TargetWork): Promise<TargetState> {
  const { yumDir, number, wish } = work;
  const { compression = "gzip", baseSegments = 0, updatesFrom, tail } = wish;
  const segments: SegmentRef[] = [];
  for (const packages of wish.segments) {
    segments.push(await writeSegment(yumDir, packages, compression));
  }
  const extras: ExtraDocument[] = [];
  for (const { type, text } of wish.extras ?? []) {
    extras.push(await writeExtra(yumDir, type, text));
  }
  const noDocument = { fileName: "", sha256: "", sizeBytes: 0, headBytes: 0, endBytes: 0 };
  const none = { ...noDocument, openSha256: null, openSizeBytes: 0 };
  const empty = { since: number, packages: 0, documents: allOf(() => none) };
  const state: TargetState = {
    format: 2,
    compression,
    segments,
    baseSegments,
    ...(updatesFrom !== undefined && { updatesFrom }),
    tail: tail.map(({ listed }) => listed),
    advisories: [],
    extras,
    views: { full: empty, base: null, updates: null },
  };
  const inBase = { packages: [], state, name: "base" } as const;
  const full = await writeView({ ...work, packages: tail, state, name: "full" });
  if (baseSegments === 0) return { ...state, views: { full, base: null, updates: null } };
  const base = wish.keep?.base ?? (await writeView({ ...work, ...inBase }));
  const updates = await writeView({ ...work, packages: tail, state, name: "updates" });
  return { ...state, views: { full, base, updates } };
}

interface ViewWork extends TargetWork {
  readonly packages: readonly TreePackage[];
  readonly state: TargetState;
  readonly name: keyof TargetState["views"];
}

async function writeView(work: ViewWork): Promise<View> {
  const { yumDir, channel, number, target, packages, state, name, sign } = work;
  const layout = yumLayout(yumDir);
  const served = name === "full" ? target : layerName(target, name);
  const folder = join(layout.served(channel, number, served), "repodata");
  const segments = segmentsOf(state, name);
  const count = segments.reduce((sum, each) => sum + each.packages, 0) + packages.length;
  const documents: Partial<Record<DocumentName, ViewDocument>> = {};
  for (const document of DOCUMENTS) {
    const [tag, names] = ROOTS[document];
    const press = pressWith(state.compression);
    const head = press(`${XML}\n<${tag} ${names} packages="${count}">\n`);
    const end = press(`${packages.map(({ xml }) => xml[document]).join("")}</${tag}>\n`);
    const members = segments.map(({ id }) => sealed.get(`${id}.${document}`) ?? Buffer.alloc(0));
    const whole = createHash("sha256").update(head).update(Buffer.concat(members)).update(end);
    const sha256 = whole.digest("hex");
    documents[document] = {
      fileName: `${sha256}-${document}.xml.${SUFFIX[state.compression]}`,
      sha256,
      sizeBytes: head.length + end.length + members.reduce((sum, each) => sum + each.length, 0),
      openSha256: null,
      openSizeBytes: 0,
      headBytes: head.length,
      endBytes: end.length,
    };
    await writeInto(join(folder, endsFile(document)), Buffer.concat([head, end]));
  }
  const facts = documents as Record<DocumentName, ViewDocument>;
  const repomd = Buffer.from(repomdXml(number, facts, state.extras));
  await writeInto(join(folder, "repomd.xml"), repomd);
  await writeInto(join(folder, "repomd.xml.asc"), await sign(repomd));
  return { since: number, packages: count, documents: facts };
}

/** What was written, so that views need not read it back. */
const sealed = new Map<string, Buffer>();

async function writeSegment(
  yumDir: string,
  packages: readonly TreePackage[],
  compression: Compression,
): Promise<SegmentRef> {
  const press = pressWith(compression);
  const raw = allOf((name) => packages.map(({ xml }) => xml[name]).join(""));
  const made = allOf((name) => press(raw[name]));
  const id = digestOf(DOCUMENTS.map((name) => digestOf(made[name])).join());
  const folder = yumLayout(yumDir).segment(id);
  const members = allOf((name) => ({
    bytes: made[name].length,
    openBytes: Buffer.byteLength(raw[name]),
    sha256: digestOf(made[name]),
  }));
  for (const name of DOCUMENTS) {
    sealed.set(`${id}.${name}`, made[name]);
    await writeInto(join(folder, memberFile(name, compression)), made[name]);
  }
  const listed = packages.map((each) => each.listed);
  const file: SegmentFile = { format: 1, id, compression, packages: listed, members };
  await writeInto(join(folder, "segment.json"), JSON.stringify(file));
  return { id, packages: packages.length, members };
}

async function writeExtra(yumDir: string, type: string, text: string): Promise<ExtraDocument> {
  const bytes = gzipSync(text);
  const sha256 = digestOf(bytes);
  await writeInto(yumLayout(yumDir).extra(sha256), bytes);
  return {
    type,
    fileName: `${sha256}-${type}.xml.gz`,
    sha256,
    sizeBytes: bytes.length,
    openSha256: digestOf(text),
    openSizeBytes: Buffer.byteLength(text),
  };
}

function repomdXml(
  revision: number,
  documents: Readonly<Record<DocumentName, ViewDocument>>,
  extras: readonly ExtraDocument[],
): string {
  const all = [...DOCUMENTS.map((type) => ({ type, ...documents[type] })), ...extras];
  const data = all.map(
    ({ type, sha256, fileName, sizeBytes }) => `  <data type="${type}">
    <checksum type="sha256">${sha256}</checksum>
    <location href="repodata/${fileName}"/>
    <timestamp>1700000000</timestamp>
    <size>${sizeBytes}</size>
  </data>
`,
  );
  return `${XML}\n<repomd xmlns="${LINUX}/repo" xmlns:rpm="${LINUX}/rpm">\n  <revision>${revision}</revision>\n${data.join("")}</repomd>\n`;
}

/** The packages of documents that createrepo_c made, by the path below which they will be served. */
export function splitDocuments(
  gzipped: Readonly<Record<DocumentName, Buffer>>,
): ReadonlyMap<string, Readonly<Record<DocumentName, string>>> {
  const split = (name: DocumentName): ReadonlyMap<string, string> => {
    const xml = gunzipSync(gzipped[name]).toString();
    const found = xml.match(/<package [\s\S]*?<\/package>\n/g) ?? [];
    return new Map(
      found.map((each) => [/pkgid="(?:YES">)?([0-9a-f]{64})/.exec(each)?.[1] ?? "", each]),
    );
  };
  const [primary, filelists, other] = [split("primary"), split("filelists"), split("other")];
  return new Map(
    [...primary].map(([sha256, text]) => [
      sha256,
      { primary: text, filelists: filelists.get(sha256) ?? "", other: other.get(sha256) ?? "" },
    ]),
  );
}

function pressWith(compression: Compression): (text: string) => Buffer {
  return (text) => (compression === "gzip" ? gzipSync(text) : zstdCompressSync(text));
}

function allOf<T>(make: (name: DocumentName) => T): Record<DocumentName, T> {
  return { primary: make("primary"), filelists: make("filelists"), other: make("other") };
}

function digestOf(bytes: string | Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function writeInto(path: string, bytes: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
