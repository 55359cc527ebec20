import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InfraFault } from "../../../src/domain/faults.ts";
import { channelSettings } from "../../../src/shared/channel-settings.ts";
import type { ChannelSettings } from "../../../src/shared/channel-settings.ts";
import { generationFile, readTargetState } from "../../../src/yum/target-state.ts";
import type { ListedPackage, TargetState } from "../../../src/yum/target-state.ts";
import { listingOfWholeList } from "./edit-listing.ts";
import type { Listing, ListingDeps } from "./listing.ts";

/** A generation to build on. */
export interface Base {
  readonly channel: string;
  /** 0: the channel has none yet, and no targets. */
  readonly number: number;
  readonly targets: ReadonlyMap<string, BaseTarget>;
}

export interface BaseTarget {
  /** The generation whose folder has its `target.json`. */
  readonly made: number;
  readonly listing: Listing;
  readonly advisories: readonly string[];
  readonly extras: TargetState["extras"];
  /** Undefined in a generation with whole lists: its documents are not made of segments. */
  readonly state: TargetState | undefined;
}

/** A generation of today's format, with all its targets. */
export interface ChannelState {
  readonly channel: string;
  readonly number: number;
  readonly targets: ReadonlyMap<string, { readonly made: number; readonly state: TargetState }>;
}

/** Generations that were used last, for each is the base of the next. */
export interface Bases {
  /** Throws `PUBLISH_FAILED` if it is not there or not readable. */
  read(channel: string, number: number, settings?: ChannelSettings): Promise<Base>;
  remember(state: ChannelState): void;
  known(channel: string, number: number): ChannelState | undefined;
  forget(channel: string, number: number): void;
}

const KEPT_MAX = 64;

export function openBases(deps: ListingDeps): Bases {
  const kept = new Map<string, Base>();
  const keyOf = (channel: string, number: number): string => `${channel}/${number}`;
  const keep = (base: Base): Base => {
    kept.delete(keyOf(base.channel, base.number));
    kept.set(keyOf(base.channel, base.number), base);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_MAX) break;
      kept.delete(oldest);
    }
    return base;
  };

  return {
    read: async (channel, number, settings = channelSettings.parse({})) => {
      if (number === 0) return { channel, number, targets: new Map() };
      const found = kept.get(keyOf(channel, number));
      return keep(found ?? (await readBase(deps, channel, number, settings)));
    },
    remember: ({ channel, number, targets }) => {
      const made = [...targets].map(
        ([target, at]) => [target, baseTarget(at.made, at.state)] as const,
      );
      keep({ channel, number, targets: new Map(made) });
    },
    known: (channel, number) => {
      const base = kept.get(keyOf(channel, number));
      if (base === undefined) return undefined;
      const targets = [...base.targets].flatMap(([target, { made, state }]) =>
        state === undefined ? [] : [[target, { made, state }] as const],
      );
      return { channel, number, targets: new Map(targets) };
    },
    forget: (channel, number) => void kept.delete(keyOf(channel, number)),
  };
}

function baseTarget(made: number, state: TargetState): BaseTarget {
  const { advisories, extras } = state;
  return { made, listing: state, advisories, extras, state };
}

async function readBase(
  deps: ListingDeps,
  channel: string,
  number: number,
  settings: ChannelSettings,
): Promise<Base> {
  const path = join(deps.layout.generation(channel, number), "generation.json");
  try {
    const json: unknown = JSON.parse(await readFile(path, "utf8"));
    const isSegments = typeof json === "object" && json !== null && "format" in json;
    if (!isSegments) return await readWholeLists(deps, wholeLists.parse(json), settings);
    const read = Object.entries(generationFile.parse(json).targets).map(async ([target, made]) => {
      const state = await readTargetState(deps.layout, { channel, number: made, target });
      return [target, baseTarget(made, state)] as const;
    });
    return { channel, number, targets: new Map(await Promise.all(read)) };
  } catch (cause) {
    if (cause instanceof InfraFault) throw cause;
    const message = `Generation ${number} of ${channel} cannot be read.`;
    throw new InfraFault("PUBLISH_FAILED", message, { cause });
  }
}

/** Before segments: one file with every target's whole list, and whole documents beside it. */
const wholeLists = z.object({
  channel: z.string(),
  number: z.number().int().positive(),
  targets: z.record(
    z.string(),
    z.object({
      since: z.number().int().positive(),
      packages: z.array(
        z.object({
          nevra: z.string(),
          sha256: z.string().regex(/^[0-9a-f]{64}$/),
          fileName: z.string(),
        }),
      ),
    }),
  ),
});

/** Reads the RPMs that it lists, once. */
async function readWholeLists(
  deps: ListingDeps,
  { channel, number, targets }: z.infer<typeof wholeLists>,
  settings: ChannelSettings,
): Promise<Base> {
  const read = new Map<string, BaseTarget>();
  for (const [target, { since, packages }] of Object.entries(targets)) {
    const listed: ListedPackage[] = [];
    for (const each of packages) {
      listed.push({ ...each, sizeBytes: (await stat(deps.layout.package(each))).size });
    }
    const listing = await listingOfWholeList(deps, listed, settings);
    read.set(target, { made: since, listing, advisories: [], extras: [], state: undefined });
  }
  return { channel, number, targets: read };
}
