import type { Logger } from "../../src/shared/logger.ts";
import type { PublishGrant } from "../../src/shared/protocol.ts";
import type { ServerClient } from "../../src/shared/server-client.ts";
import type { FragmentStore } from "./fragments.ts";
import type { Generation } from "./generation.ts";
import type { InspectedPackage } from "./inspect-rpm.ts";
import type { Pool, PooledPackage } from "./pool.ts";
import type { Signer } from "./sign.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Turns } from "./turns.ts";

/** What every publish of this process shares. */
export interface PublishDeps {
  readonly server: ServerClient;
  readonly signer: Signer;
  readonly pool: Pool;
  readonly fragments: FragmentStore;
  /** One publish at a time builds on the channels' heads. */
  readonly turns: Turns;
  /** The newest generation that this process made live, by channel: a grant may be older. */
  readonly live: Map<string, Generation>;
  readonly yumDir: string;
  readonly stagingDir: string;
  readonly logger: Logger;
  readonly now: () => number;
}

/** One publish under way. */
export interface Publish extends PublishDeps {
  readonly grant: PublishGrant;
  /** This attempt's own, removed at its end. */
  readonly folder: string;
  readonly stopwatch: Stopwatch;
}

/** A package whose signed form is final: any generation may list it once it is in the pool. */
export interface ReadyPackage extends InspectedPackage {
  readonly signed: SignedPackage;
}

export interface SignedPackage extends PooledPackage {
  /** Where it is now. */
  readonly path: string;
  /** An earlier publish or attempt put it into the pool. */
  readonly isPooled: boolean;
}
