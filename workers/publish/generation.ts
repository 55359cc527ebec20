import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { InfraFault, UserFault } from "../../src/domain/faults.ts";
import { makeFolder, renameSynced, syncPath, writeSynced } from "./durable.ts";
import type { FragmentStore } from "./fragments.ts";
import { assembleRepodata } from "./repodata.ts";
import type { Repodata, Revision } from "./repodata.ts";
import type { Signer } from "./sign.ts";

const listedPackage = z.object({
  nevra: z.string(),
  /** Of the signed file in the pool. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  fileName: z.string(),
});
export type ListedPackage = Readonly<z.infer<typeof listedPackage>>;

const listing = z.object({
  /** The newest generation that changed this target: its metadata is there. */
  since: z.number().int().positive(),
  packages: z.array(listedPackage),
});

/** One immutable state of a channel. */
const generationFile = z.object({
  channel: z.string(),
  number: z.number().int().positive(),
  base: z.number().int().nonnegative(),
  /** The publish that it was made for. */
  builtFor: z.string(),
  createdAt: z.number().int(),
  targets: z.record(z.string(), listing),
});
export type Generation = Readonly<z.infer<typeof generationFile>>;

/** What a publish adds, by target. */
export type Additions = ReadonlyMap<string, readonly ListedPackage[]>;

export interface StageRequest {
  readonly channel: string;
  /** The generation to build on; 0 for a channel without one. */
  readonly head: number;
  /** A generation of this channel at hand, which need not be read if it is the head. */
  readonly known: Generation | undefined;
  readonly builtFor: string;
  readonly additions: Additions;
  /** Does not exist yet; becomes the generation. */
  readonly stagingDir: string;
  /** Resolves once the packages to add are in the pool; nothing is sealed before. */
  readonly storing: Promise<unknown>;
}

export interface GenerationDeps {
  readonly yumDir: string;
  readonly fragments: FragmentStore;
  readonly signer: Signer;
  readonly now: () => number;
}

/**
 * Builds a channel's next generation beside what is served: everything fsynced, signed and checked,
 * and nobody served from it until the server moves the pointer. Undefined if all is listed already.
 */
export async function stageGeneration(
  request: StageRequest,
  deps: GenerationDeps,
  signal: AbortSignal,
): Promise<Generation | undefined> {
  const { channel, head } = request;
  const folder = join(deps.yumDir, "channels", channel, "g");
  await makeFolder(folder);
  const highest = await dropEarlierTries(deps, request);
  const base = await findBase(request, deps);
  const generation = nextGeneration(request, base, Math.max(head, highest) + 1, deps.now());
  if (generation === undefined) return undefined;

  const changed = Object.keys(generation.targets).filter(
    (target) => generation.targets[target]?.since === generation.number,
  );
  await mkdir(request.stagingDir);
  await Promise.all([
    writeSynced(join(request.stagingDir, "generation.json"), JSON.stringify(generation)),
    ...changed.map((target) => {
      const packages = generation.targets[target]?.packages ?? [];
      const folder = join(request.stagingDir, target);
      return writeTarget({ ...generation, packages, folder }, deps, signal);
    }),
  ]);
  await Promise.all([syncPath(request.stagingDir), request.storing]);
  signal.throwIfAborted();
  await renameSynced(request.stagingDir, join(folder, String(generation.number)));
  return generation;
}

/** For a generation that was certainly not announced. It is gone at once, or still whole. */
export async function dropGeneration(
  yumDir: string,
  { channel, number }: Pick<Generation, "channel" | "number">,
): Promise<void> {
  const dropped = join(yumDir, "staging", `dropped-${channel}-${number}`);
  await rm(dropped, { recursive: true, force: true });
  await rename(join(yumDir, "channels", channel, "g", String(number)), dropped);
  await rm(dropped, { recursive: true, force: true });
}

/** The whole list of a target: what the base has, then what is new. Versions stay beside each other. */
export function nextGeneration(
  {
    channel,
    head,
    builtFor,
    additions,
  }: Pick<StageRequest, "channel" | "head" | "builtFor" | "additions">,
  base: Generation | undefined,
  number: number,
  createdAt: number,
): Generation | undefined {
  const targets: Record<string, z.infer<typeof listing>> = { ...base?.targets };
  let isChanged = false;
  for (const [target, packages] of additions) {
    const listed = base?.targets[target]?.packages ?? [];
    const added = packages.filter((one) => !isListed(one, listed));
    if (added.length === 0) continue;
    targets[target] = { since: number, packages: [...listed, ...added] };
    isChanged = true;
  }
  return isChanged ? { channel, number, base: head, builtFor, createdAt, targets } : undefined;
}

function isListed(one: ListedPackage, listed: readonly ListedPackage[]): boolean {
  const found = listed.find(({ nevra }) => nevra === one.nevra);
  if (found === undefined) return false;
  if (found.sha256 === one.sha256) return true;
  throw new UserFault("NEVRA_TAKEN", `${one.nevra} was published meanwhile with other content.`, {
    hint: "Raise the release, or let Tatara number it with `release: auto`.",
  });
}

async function findBase(
  { channel, head, known }: StageRequest,
  { yumDir }: GenerationDeps,
): Promise<Generation | undefined> {
  if (head === 0 || known?.number === head) return head === 0 ? undefined : known;
  return await readGeneration(yumDir, channel, head);
}

async function readGeneration(
  yumDir: string,
  channel: string,
  number: number,
): Promise<Generation> {
  const path = join(yumDir, "channels", channel, "g", String(number), "generation.json");
  try {
    return generationFile.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    const message = `Generation ${number} of ${channel} cannot be read.`;
    throw new InfraFault("PUBLISH_FAILED", message, { cause });
  }
}

/**
 * Removes what this publish staged before a crash: above the head, so never announced. Those of
 * others stay, for they may be newer than a restored database. Answers the highest number seen.
 */
async function dropEarlierTries(
  { yumDir }: GenerationDeps,
  { channel, head, builtFor }: StageRequest,
): Promise<number> {
  const names = await readdir(join(yumDir, "channels", channel, "g"));
  const numbers = names.filter((name) => /^[1-9]\d{0,14}$/.test(name)).map(Number);
  for (const number of numbers.filter((each) => each > head)) {
    // One that cannot be read is not ours: ours came here whole.
    const staged = await readGeneration(yumDir, channel, number).catch(() => undefined);
    if (staged?.builtFor === builtFor) await dropGeneration(yumDir, staged);
  }
  return numbers.reduce((highest, number) => Math.max(highest, number), 0);
}

interface TargetFiles extends Revision {
  readonly packages: readonly ListedPackage[];
  readonly folder: string;
}

async function writeTarget(
  target: TargetFiles,
  { fragments, signer }: GenerationDeps,
  signal: AbortSignal,
): Promise<void> {
  const read = await fragments.read(target.packages.map(({ sha256 }) => sha256));
  const repodata = await assembleRepodata(read, target);
  const folder = join(target.folder, "repodata");
  await mkdir(folder, { recursive: true });

  const signature = signer.signMetadata(repodata.repomd);
  const repomdPath = join(folder, "repomd.xml");
  await Promise.all([
    ...repodata.documents.map(({ name, bytes }) => writeSynced(join(folder, name), bytes)),
    writeSynced(repomdPath, repodata.repomd),
    signature.then((text) => writeSynced(`${repomdPath}.asc`, text)),
  ]);
  await Promise.all([
    signer.verify.detached(repomdPath, `${repomdPath}.asc`, signal),
    checkDocuments(repodata, folder),
    syncPath(folder).then(() => syncPath(target.folder)),
  ]);
}

/** Reads back what is on the disk: a generation that does not match its own index is never announced. */
async function checkDocuments({ documents, repomd }: Repodata, folder: string): Promise<void> {
  for (const { name } of documents) {
    const bytes = await readFile(join(folder, name));
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    if (name.startsWith(`${sha256}-`) && repomd.includes(sha256)) continue;
    throw new InfraFault("PUBLISH_FAILED", `${name} was written with other bytes.`);
  }
}
