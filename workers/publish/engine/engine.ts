import { mkdir, rm, stat } from "node:fs/promises";
import { DEFAULT_CHANNEL_SETTINGS } from "../../../src/shared/channel-settings.ts";
import type { ChannelSettings } from "../../../src/shared/channel-settings.ts";
import type { Logger } from "../../../src/shared/logger.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import { readTargetState, servedSince } from "../../../src/yum/target-state.ts";
import type { GenerationFile, TargetState } from "../../../src/yum/target-state.ts";
import type { Signer } from "../sign.ts";
import { openAdvisoryFiles } from "./advisories.ts";
import { openAssembler } from "./assembler.ts";
import { openBases } from "./bases.ts";
import type { Base, ChannelState } from "./bases.ts";
import { openGenerationNumbers } from "./generation-numbers.ts";
import { openIdleWork } from "./idle-work.ts";
import { packagesOf } from "./listing.ts";
import { makeTarget } from "./make-views.ts";
import { draftOf, newTargets } from "./new-targets.ts";
import { newestGenerations } from "./newest-generations.ts";
import type { StagedGeneration, StageRequest } from "./stage-request.ts";
import { writeGeneration } from "./write-generation.ts";
import type { NewTarget } from "./write-generation.ts";

export type { NewPackage, StagedGeneration, StageRequest } from "./stage-request.ts";

/** Makes generations. One process has one, and calls it for one change of a channel at a time. */
export interface Engine {
  /**
   * Builds a channel's next generation beside what is served: everything fsynced, signed and
   * checked, and nobody served from it until the server moves the pointer. Undefined if nothing
   * changes. Throws `NEVRA_TAKEN` when a listed NEVRA comes with other bytes.
   */
  stage(request: StageRequest, signal: AbortSignal): Promise<StagedGeneration | undefined>;
  /** For one that was certainly not announced. */
  drop(staged: StagedGeneration): Promise<void>;
  /** It is live now: what the next publish needs is prepared in idle time. */
  adopted(staged: StagedGeneration): void;
  /**
   * After a start, prepares in idle time what the next publishes of the channels that changed last
   * need, and lets `visit` see their targets. Never rejects.
   */
  warm(visit: (state: TargetState) => Promise<unknown>): Promise<void>;
  /** Undefined if the generation does not have the target. Throws `PUBLISH_FAILED` without the generation. */
  state(channel: string, number: number, target: string): Promise<TargetState | undefined>;
  /** Whether the next publish may list this segment, which no generation lists yet: a sweep leaves it. */
  uses(segmentId: string): boolean;
  /** Resolves when idle time has nothing left to do. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export interface EngineDeps {
  readonly layout: YumLayout;
  readonly signer: Pick<Signer, "signMetadata" | "verify">;
  readonly logger: Logger;
  readonly now: () => number;
}

/** More would push each other out of what the thread keeps. */
const WARM_TARGETS_MAX = 12;

export async function openEngine({ layout, signer, logger, now }: EngineDeps): Promise<Engine> {
  await mkdir(layout.staging, { recursive: true });
  const assembler = openAssembler({ data: { yumDir: layout.yumDir }, logger });
  const idle = openIdleWork({ layout, assembler, logger, now });
  const advisories = openAdvisoryFiles(layout);
  const deps = { layout, assembler, joined: idle.joined, advisories, now };
  const bases = openBases(deps);
  const numbers = openGenerationNumbers(layout);
  const settings = new Map<string, ChannelSettings>();
  const prepare = (channel: string, target: string, state: TargetState): void =>
    idle.prepare({
      channel,
      target,
      state,
      settings: settings.get(channel) ?? DEFAULT_CHANNEL_SETTINGS,
    });

  const write = async (
    request: StageRequest,
    head: Base,
    signal: AbortSignal,
  ): Promise<ChannelState | undefined> => {
    const number = await numbers.next(request);
    const made = await newTargets({ deps, bases, request, head, number });
    signal.throwIfAborted();
    if (made.length === 0) return undefined;
    const state = nextState(request, head, made, number);
    const file = generationFile(state, request, now());
    const { stagingDir, storing } = request;
    const generation = { file, targets: made, stagingDir, storing };
    const writing = writeGeneration(generation, { layout, signer }, signal);
    const place = layout.generation(request.channel, number);
    await whenNamed(writing, place, () => numbers.staged(request.channel, number));
    bases.remember(state);
    return state;
  };

  return {
    stage: async (request, signal) => {
      // It is awaited at the end only, and may fail before.
      request.storing.catch(() => undefined);
      try {
        if (request.edit.kind === "edit") await advisories.keep(request.edit.advisories);
        settings.set(request.channel, request.settings);
        const head = await bases.read(request.channel, request.head, request.settings);
        const state = await write(request, head, signal);
        return state && stagedOf(state, request.head);
      } catch (err) {
        // What a sick disk keeps must not hide what it refused before.
        await rm(request.stagingDir, { recursive: true, force: true }).catch(() => undefined);
        throw err;
      }
    },
    drop: async ({ channel, number }) => {
      bases.forget(channel, number);
      await numbers.drop(channel, number);
    },
    adopted: ({ channel, number }) => {
      for (const [target, { made, state }] of bases.known(channel, number)?.targets ?? []) {
        if (made === number) prepare(channel, target, state);
      }
    },
    warm: async (visit) => {
      const files = await newestGenerations(layout);
      const all = files.flatMap(({ channel, targets }) =>
        Object.entries(targets).map(([target, number]) => ({ channel, target, number })),
      );
      for (const place of all.slice(0, WARM_TARGETS_MAX)) {
        // A publish was faster.
        if (settings.has(place.channel)) continue;
        try {
          const state = await readTargetState(layout, place);
          prepare(place.channel, place.target, state);
          await visit(state);
        } catch (err) {
          logger.debug({ err, ...place }, "A target could not be prepared.");
        }
      }
    },
    state: async (channel, number, target) => {
      const found = (await bases.read(channel, number)).targets.get(target);
      if (found === undefined) return undefined;
      return (
        found.state ?? (await makeTarget(assembler, draftOf(layout, target, found), number)).state
      );
    },
    uses: (segmentId) => idle.uses(segmentId),
    settled: () => idle.settled(),
    close: async () => {
      idle.close();
      await assembler.close();
    },
  };
}

/** Also where the folder has its name, and the disk refused only the last word: its number is taken. */
async function whenNamed(writing: Promise<void>, folder: string, taken: () => void): Promise<void> {
  try {
    await writing;
  } catch (err) {
    if (await isThere(folder)) taken();
    throw err;
  }
  taken();
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (err: unknown) => !(err instanceof Error && "code" in err && err.code === "ENOENT"),
  );
}

function nextState(
  { channel }: StageRequest,
  head: Base,
  made: readonly NewTarget[],
  number: number,
): ChannelState {
  const targets: Map<string, { made: number; state: TargetState }> = new Map();
  for (const [target, at] of head.targets) {
    if (at.state !== undefined) targets.set(target, { made: at.made, state: at.state });
  }
  for (const { target, state } of made) targets.set(target, { made: number, state });
  return { channel, number, targets };
}

function generationFile(
  { channel, number, targets }: ChannelState,
  { head, builtFor }: StageRequest,
  createdAt: number,
): GenerationFile {
  const made = [...targets].map(([target, at]) => [target, at.made] as const);
  const facts = { format: 2, channel, number, base: head, createdAt } as const;
  return { ...facts, builtFor: [...builtFor], targets: Object.fromEntries(made) };
}

function stagedOf({ channel, number, targets }: ChannelState, base: number): StagedGeneration {
  const since = [...targets].map(([target, { state }]) => servedSince(target, state));
  const counts = [...targets].map(([target, { state }]) => [target, packagesOf(state)] as const);
  const served: Record<string, number> = Object.assign({}, ...since);
  return { channel, base, number, targets: served, counts: Object.fromEntries(counts) };
}
