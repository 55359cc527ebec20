import type { Kysely, Transaction } from "kysely";
import { failpoint } from "../../shared/failpoints.ts";
import { openDatabase, type Db } from "./database.ts";
import type { Tables } from "./schema.ts";
import type { OnDiskTrouble } from "./sqlite.ts";

/** What the store needs from the world beside the database. */
export interface StoreEnv {
  readonly now: () => number;
  /** A new opaque id such as `b-3k9q…`; safe in URLs, paths and tickets. */
  readonly newId: (prefix: string) => string;
  /** Absolute address of a build's page. */
  readonly buildUrl: (repo: string, number: number) => string;
}

/** The database for reading, inside a transaction or not. */
export interface Reader {
  readonly db: Db;
  readonly now: () => number;
}

export interface Tx extends StoreEnv {
  readonly db: Transaction<Tables>;
  /** Says that what is served may differ from now on: heads, settings, refused packages. */
  channelsChanged(): void;
}

export interface Store extends StoreEnv {
  /** For reading. */
  readonly db: Db;
  /** Grows with each commit that `channelsChanged`; for caches of what is served. */
  channelsVersion(): number;
  /**
   * Runs `work` in a transaction that is on disk when the promise resolves. Works that wait at the
   * same time share one commit, so under load a push costs a fraction of an fsync. Expected answers
   * are returned, not thrown: a throw rolls the shared transaction back, and each work runs again
   * alone, so that one broken work fails nobody else.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const GROUP_MAX = 256;

/**
 * Opens the store. After a write or sync that failed, what the open database believes is not what the
 * disk has: nothing is written from then on, and whoever hears of a `broken` one must end the process,
 * for the next start reads the truth. A disk that is merely full fails the works that need room, and
 * nothing else.
 */
export async function openStore(
  path: string,
  env: StoreEnv,
  onDiskTrouble: OnDiskTrouble = () => undefined,
): Promise<Store> {
  let isBroken = false;
  const db = await openDatabase(path, (err, trouble) => {
    isBroken ||= trouble === "broken";
    onDiskTrouble(err, trouble);
  });
  let version = 0;
  const writeTrusting = groupCommit(db, env, () => {
    version += 1;
  });
  const write: Store["write"] = (work) =>
    writeTrusting((tx) => {
      if (isBroken) throw new Error("The database is not trusted any more; the server ends.");
      return work(tx);
    });
  return { ...env, db, write, channelsVersion: () => version, close: () => db.destroy() };
}

interface Waiting {
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (err: unknown) => void;
}

function groupCommit(
  db: Kysely<Tables>,
  env: StoreEnv,
  onChannelsChanged: () => void,
): Store["write"] {
  const waiting: Waiting[] = [];
  let isFlushing = false;

  const together = async (group: readonly Waiting[]): Promise<unknown[]> => {
    let isChanged = false;
    const channelsChanged = (): void => {
      isChanged = true;
    };
    const answers = await db.transaction().execute(async (transaction) => {
      const tx = { ...env, db: transaction, channelsChanged };
      const results: unknown[] = [];
      // One after the other: they share the connection, and a later one must see the earlier.
      for (const { work } of group) results.push(await work(tx));
      await failpoint("commit.before");
      return results;
    });
    await failpoint("commit.after");
    if (isChanged) onChannelsChanged();
    return answers;
  };

  const alone = async (one: Waiting): Promise<void> => {
    await together([one]).then(([answer]) => one.resolve(answer), one.reject);
  };

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting.splice(0, GROUP_MAX);
      try {
        const results = await together(group);
        group.forEach(({ resolve }, index) => resolve(results[index]));
      } catch (err) {
        const [only] = group;
        if (group.length === 1) only?.reject(err);
        else for (const each of group) await alone(each);
      }
    }
    isFlushing = false;
  };

  return <T>(work: (tx: Tx) => Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ work, resolve: resolve as (value: unknown) => void, reject });
      if (isFlushing) return;
      isFlushing = true;
      // One turn of the event loop lets everybody who has arrived by now share the commit.
      setImmediate(() => void flush());
    });
}
