import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Push } from "../../src/domain/push.ts";
import type { Intake } from "../../src/server/intake-types.ts";
import { ensureChannels } from "../../src/server/store/channels.ts";
import { openStore, type Store } from "../../src/server/store/store.ts";

export interface TestStore extends AsyncDisposable {
  readonly store: Store;
  readonly path: string;
  /** Moves the store's clock. */
  advance(ms: number): void;
}

/** A real database in a folder of its own, with a clock that the test moves. */
export async function aStore(): Promise<TestStore> {
  const dir = await mkdtemp(join(tmpdir(), "tatara-store-"));
  const path = join(dir, "tatara.db");
  let clock = 1_800_000_000_000;
  let ids = 0;
  const store = await openStore(path, {
    now: () => clock,
    newId: (prefix) => `${prefix}-${(ids += 1)}`,
    buildUrl: (repo, number) => `http://ci.test/repos/${repo}/${number}`,
  });
  await store.write(ensureChannels);
  return {
    store,
    path,
    advance: (ms) => {
      clock += ms;
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

let pushes = 0;

/** A push of the default branch from GitHub, different from every other unless told so. */
export function aPush(facts: Partial<Push> = {}): Push {
  pushes += 1;
  const after = facts.after ?? pushes.toString(16).padStart(40, "0").replace(/^0/, "a");
  return {
    forge: "github",
    repo: "acme/hello",
    ref: "refs/heads/main",
    before: "b".repeat(40),
    after,
    sha: after,
    pusher: "dev1",
    trust: "trusted",
    defaultBranch: "main",
    message: "a change",
    authorName: "Dev One",
    ...facts,
  };
}

export function anIntake(push: Push, named: Partial<Intake> = {}): Intake {
  pushes += 1;
  return {
    forge: push.forge,
    deliveryId: `delivery-${pushes}`,
    bodyDigest: `digest-${pushes}`,
    event: "push",
    push,
    ...named,
  };
}
