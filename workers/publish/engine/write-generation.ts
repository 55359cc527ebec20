import { link, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder, syncPath } from "../../../src/shared/durable.ts";
import { DOCUMENTS } from "../../../src/yum/layout.ts";
import type { DocumentName, YumLayout } from "../../../src/yum/layout.ts";
import { repomdEntries, repomdXml } from "../../../src/yum/repomd.ts";
import { endsFile, layerName } from "../../../src/yum/target-state.ts";
import type {
  ExtraDocument,
  GenerationFile,
  TargetState,
  View,
} from "../../../src/yum/target-state.ts";
import { allSettled } from "../all-settled.ts";
import { renameSynced, writeSynced } from "../durable.ts";
import type { Signer } from "../sign.ts";

export type ViewName = keyof TargetState["views"];

/** A view that gets a `repodata` folder of its own in this generation. */
export interface NewView {
  readonly name: ViewName;
  readonly view: View;
  /** Each document's first and last members, or the folder of an earlier generation that has them. */
  readonly ends: Readonly<Record<DocumentName, Uint8Array>> | { readonly sameAs: string };
}

export interface NewTarget {
  readonly target: string;
  readonly state: TargetState;
  readonly views: readonly NewView[];
}

export interface NewGeneration {
  readonly file: GenerationFile;
  readonly targets: readonly NewTarget[];
  /** Does not exist yet; becomes the generation. */
  readonly stagingDir: string;
  /** Resolves once the packages are pooled. */
  readonly storing: Promise<unknown>;
}

export interface WriteDeps {
  readonly layout: YumLayout;
  readonly signer: Pick<Signer, "signMetadata" | "verify">;
}

/**
 * Writes a generation beside what is served, and gives it its name when all of it is on the disk and
 * an independent reader has found every signature good.
 *
 * What is fsynced: every file, for a name may outlive the bytes; then every folder, for a folder may
 * be there and its names not; then, after the rename, the folder that holds the generations. Files
 * do not wait for each other, nor views, nor any of it for the reader; only those three steps do.
 */
export async function writeGeneration(
  { file, targets, stagingDir, storing }: NewGeneration,
  deps: WriteDeps,
  signal: AbortSignal,
): Promise<void> {
  const views = targets.flatMap(({ target, state, views: some }) =>
    some.map(async (view) => {
      const folder = join(stagingDir, servedName(target, view.name));
      const extras = extrasOf(state, view.name);
      return await writeView({ view, folder, file, extras }, deps, signal);
    }),
  );
  const writing = allSettled(views);
  // Until all have ended: whoever removes the folder meets nobody who still writes there.
  await allSettled<unknown>([
    writing,
    writeJson(stagingDir, "generation.json", file),
    makeFolder(deps.layout.generations(file.channel)),
    ...targets.map(({ target, state }) =>
      writeJson(join(stagingDir, target), "target.json", state),
    ),
  ]);
  const written = await writing;
  const folders = new Set([
    stagingDir,
    ...targets.map(({ target }) => join(stagingDir, target)),
    ...written.flatMap(({ repodata }) => [dirname(repodata), repodata]),
  ]);
  await allSettled<unknown>([
    ...[...folders].map(syncPath),
    ...written.map(({ verified }) => verified),
    storing,
  ]);
  signal.throwIfAborted();
  await renameSynced(stagingDir, deps.layout.generation(file.channel, file.number));
}

export function servedName(target: string, view: ViewName): string {
  return view === "full" ? target : layerName(target, view);
}

/** The base layer is frozen; what changes in between is told by the updates. */
export function extrasOf({ extras }: Pick<TargetState, "extras">, view: ViewName) {
  return view === "base" ? [] : extras;
}

async function writeJson(folder: string, name: string, content: unknown): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeSynced(join(folder, name), JSON.stringify(content));
}

/** Resolves when the files are written; `verified` may take longer, and rejects if a reader refuses. */
async function writeView(
  {
    view: { view, ends },
    folder,
    file,
    extras,
  }: {
    readonly view: NewView;
    readonly folder: string;
    readonly file: GenerationFile;
    readonly extras: readonly ExtraDocument[];
  },
  { signer }: WriteDeps,
  signal: AbortSignal,
): Promise<{ readonly repodata: string; readonly verified: Promise<void> }> {
  const repodata = join(folder, "repodata");
  const entries = repomdEntries(view.documents, extras);
  const revision = { revision: file.number, createdAt: file.createdAt };
  const repomd = Buffer.from(repomdXml(entries, revision));
  const writeSigned = async () => {
    const signature = await signer.signMetadata(repomd);
    const verified = signer.verify.detached(repomd, signature, signal);
    // It is awaited with the last files, and may fail before.
    verified.catch(() => undefined);
    await folderMade;
    await writeSynced(join(repodata, "repomd.xml.asc"), signature);
    return { repodata, verified };
  };
  const writePlain = async () => {
    await folderMade;
    const ended = DOCUMENTS.map((document) => writeEnds(repodata, document, ends));
    await allSettled([writeSynced(join(repodata, "repomd.xml"), repomd), ...ended]);
  };
  const folderMade = mkdir(repodata, { recursive: true });
  // What is signed and checked takes longest, so it begins first.
  const signing = writeSigned();
  await allSettled<unknown>([signing, writePlain()]);
  return await signing;
}

async function writeEnds(
  repodata: string,
  document: DocumentName,
  ends: NewView["ends"],
): Promise<void> {
  const path = join(repodata, endsFile(document));
  // Immutable and on the disk already.
  if ("sameAs" in ends) await link(join(ends.sameAs, "repodata", endsFile(document)), path);
  else await writeSynced(path, ends[document]);
}
