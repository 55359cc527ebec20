import type { Logger } from "../../src/shared/logger.ts";
import type { PublishGrant } from "../../src/shared/publish-grants.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import type { YumLayout } from "../../src/yum/layout.ts";
import type { BaseRepositoryReader } from "../../src/yum/base-repositories/base-repositories.ts";
import type { Resolver } from "../../src/yum/resolve/resolver.ts";
import type { Engine } from "./engine/engine.ts";
import type { ChannelHeads } from "./channel-heads.ts";
import type { HeldPackages, Hold } from "./held-packages.ts";
import type { OncePerContent } from "./once-per-content.ts";
import type { Pool } from "./pool.ts";
import type { Signer } from "./sign.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Turns } from "./turns.ts";

/** What every publish of this process shares. */
export interface PublishDeps {
  readonly server: ServerClient;
  readonly signer: Signer;
  readonly pool: Pool;
  readonly engine: Engine;
  readonly resolver: Resolver;
  /** The distribution's repositories that targets stand on. */
  readonly bases: Pick<BaseRepositoryReader, "of">;
  readonly heads: ChannelHeads;
  /** Whoever is ready joins the next turn; one at a time builds on the channels' heads. */
  readonly turns: Turns;
  readonly signings: OncePerContent;
  readonly held: HeldPackages;
  readonly layout: YumLayout;
  readonly logger: Logger;
  readonly now: () => number;
  /** For what is removed for its age: `Clock.earliest`. */
  readonly earliest: () => number;
}

/** One publish under way. */
export interface Publish<G extends PublishGrant = PublishGrant> extends PublishDeps {
  readonly grant: G;
  /** This attempt's own, removed at its end. */
  readonly folder: string;
  /** Whatever of the pool it is going to list, before it looks whether that is there. */
  readonly hold: Hold;
  readonly stopwatch: Stopwatch;
}
