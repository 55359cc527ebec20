import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_CHANNEL_SETTINGS } from "../../src/shared/channel-settings.ts";
import type { ChannelSettings } from "../../src/shared/channel-settings.ts";
import { yumLayout } from "../../src/yum/layout.ts";
import type { YumLayout } from "../../src/yum/layout.ts";
import type { ListedPackage } from "../../src/yum/target-state.ts";
import { openEngine } from "../../workers/publish/engine/engine.ts";
import type {
  Engine,
  StagedGeneration,
  StageRequest,
} from "../../workers/publish/engine/engine.ts";
import { openSigner } from "../../workers/publish/sign.ts";
import type { Signer } from "../../workers/publish/sign.ts";
import { silentLogger } from "./silent-logger.ts";

type Edit = Extract<StageRequest["edit"], { kind: "edit" }>;

/** What a test changes of one channel; packages are in the pool. */
export interface RigEdit {
  readonly channel?: string;
  readonly settings?: Partial<ChannelSettings>;
  readonly builtFor?: readonly string[];
  readonly add?: Readonly<Record<string, readonly ListedPackage[]>>;
  readonly remove?: Readonly<Record<string, readonly string[]>>;
  readonly advisories?: Edit["advisories"];
  readonly extras?: Edit["extras"];
  readonly rewrite?: boolean;
}

/** An engine with a key and a yum folder of its own, and a pointer for each channel. */
export interface YumEngineRig extends AsyncDisposable {
  readonly dataDir: string;
  readonly layout: YumLayout;
  readonly signer: Signer;
  engine: Engine;
  /** Channel → the generation that is live. */
  readonly heads: Map<string, number>;
  stage(edit: RigEdit): Promise<StagedGeneration | undefined>;
  restore(
    channel: string,
    from: { readonly channel: string; readonly number: number },
  ): Promise<StagedGeneration | undefined>;
  /** Stages, and moves the pointer. */
  publish(edit: RigEdit): Promise<StagedGeneration | undefined>;
  adopt(staged: StagedGeneration | undefined): void;
  /** The engine's: it stands still until a test moves it. Milliseconds since 1970. */
  readonly clock: { nowMs: number };
  /** A new life of the process. */
  reopen(): Promise<void>;
}

/** Several may share the keys, which take seconds to make. */
export async function startYumEngine({ signer, publicDir }: EngineKeys): Promise<YumEngineRig> {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-yum-engine-"));
  const layout = yumLayout(join(dataDir, "yum"));
  await cp(publicDir, layout.keys, { recursive: true });
  const clock = { nowMs: Date.now() };
  const now = () => clock.nowMs;
  const open = () => openEngine({ layout, signer, logger: silentLogger, now });
  const never = new AbortController().signal;
  let stages = 0;

  const request = (edit: StageRequest["edit"], of: RigEdit): StageRequest => {
    const channel = of.channel ?? "dev";
    stages += 1;
    return {
      channel,
      head: rig.heads.get(channel) ?? 0,
      settings: { ...DEFAULT_CHANNEL_SETTINGS, ...of.settings },
      builtFor: of.builtFor ?? [`publish-${stages}`],
      edit,
      stagingDir: join(layout.staging, `stage-${stages}`),
      storing: Promise.resolve(),
    };
  };
  const rig: YumEngineRig = {
    dataDir,
    layout,
    signer,
    clock,
    engine: await open(),
    heads: new Map(),
    stage: (edit) => rig.engine.stage(request(editOf(edit, layout), edit), never),
    restore: (channel, from) =>
      rig.engine.stage(request({ kind: "restore", from }, { channel }), never),
    publish: async (edit) => {
      const staged = await rig.stage(edit);
      rig.adopt(staged);
      return staged;
    },
    adopt: (staged) => {
      if (staged === undefined) return;
      rig.heads.set(staged.channel, staged.number);
      rig.engine.adopted(staged);
    },
    reopen: async () => {
      await rig.engine.close();
      rig.engine = await open();
    },
    [Symbol.asyncDispose]: async () => {
      await rig.engine.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return rig;
}

/** A key, and the programs that verify what it signs. */
export interface EngineKeys extends AsyncDisposable {
  readonly signer: Signer;
  /** The files that clients get. */
  readonly publicDir: string;
}

export async function makeEngineKeys(): Promise<EngineKeys> {
  const dataDir = await mkdtemp(join(tmpdir(), "tatara-engine-keys-"));
  const publicDir = join(dataDir, "public");
  const folders = { keysDir: join(dataDir, "keys"), verifierDir: join(dataDir, "verifier") };
  const never = new AbortController().signal;
  const signer = await openSigner({ ...folders, publicDir, now: Date.now }, never);
  return {
    signer,
    publicDir,
    [Symbol.asyncDispose]: async () => {
      await signer.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function editOf(edit: RigEdit, layout: YumLayout): Edit {
  const add = Object.entries(edit.add ?? {}).map(([target, packages]) => {
    return [target, packages.map((each) => ({ ...each, path: layout.package(each) }))] as const;
  });
  return {
    kind: "edit",
    add: new Map(add),
    remove: new Map(Object.entries(edit.remove ?? {})),
    advisories: edit.advisories ?? [],
    extras: edit.extras ?? [],
    rewrite: edit.rewrite ?? false,
  };
}
