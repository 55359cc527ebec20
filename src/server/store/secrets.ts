import { insertRow } from "./insert-row.ts";
import type { SecretRow } from "./schema.ts";
import type { Reader, Tx } from "./store.ts";

/** A secret without its value. */
export interface StoredSecret {
  readonly name: string;
  readonly branches: readonly string[] | null;
  readonly pullRequests: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly lastUsedAt: number | null;
  /** The build that it was handed to last. */
  readonly lastUsedBy: { readonly buildId: string; readonly number: number } | null;
}

export type SealedSecret = Pick<SecretRow, "repo" | "name" | "keyId" | "sealed"> & {
  readonly branches: readonly string[] | null;
  readonly pullRequests: boolean;
};

/** Stores a value, in place of the one that was there; "new" when there was none. */
export async function setSecret(tx: Tx, secret: SealedSecret): Promise<"new" | "replaced"> {
  const { repo, name, keyId, sealed, branches, pullRequests } = secret;
  const values = {
    keyId,
    sealed,
    branchesJson: branches === null ? null : JSON.stringify(branches),
    pullRequests: pullRequests ? 1 : 0,
    updatedAt: tx.now(),
  };
  const born = { createdAt: tx.now(), lastUsedAt: null, lastUsedBy: null };
  const isNew = await insertRow(tx, "secrets", { repo, name, ...values, ...born }, "or nothing");
  if (isNew) return "new";
  await tx.db
    .updateTable("secrets")
    .set(values)
    .where("repo", "=", repo)
    .where("name", "=", name)
    .execute();
  return "replaced";
}

/** False: there is no such secret. */
export async function removeSecret(tx: Tx, repo: string, name: string): Promise<boolean> {
  const { numDeletedRows } = await tx.db
    .deleteFrom("secrets")
    .where("repo", "=", repo)
    .where("name", "=", name)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function listSecrets(
  { db }: Pick<Reader, "db">,
  repo: string,
): Promise<readonly StoredSecret[]> {
  const rows = await db
    .selectFrom("secrets")
    .leftJoin("jobs", "jobs.id", "secrets.lastUsedBy")
    .leftJoin("builds", "builds.id", "jobs.buildId")
    .select([
      "secrets.name",
      "branchesJson",
      "secrets.pullRequests",
      "secrets.createdAt",
      "updatedAt",
      "lastUsedAt",
      "builds.id as buildId",
      "builds.number",
    ])
    .where("secrets.repo", "=", repo)
    .orderBy("secrets.name")
    .execute();
  return rows.map(({ branchesJson, pullRequests, buildId, number, ...row }) => ({
    ...row,
    branches: branchesOf({ branchesJson }),
    pullRequests: pullRequests === 1,
    lastUsedBy: buildId === null || number === null ? null : { buildId, number },
  }));
}

/** With their sealed values. */
export async function sealedSecrets(
  { db }: Pick<Reader, "db">,
  repo: string,
): Promise<readonly SealedSecret[]> {
  const rows = await db.selectFrom("secrets").selectAll().where("repo", "=", repo).execute();
  return rows.map(({ branchesJson, pullRequests, ...row }) => ({
    ...row,
    branches: branchesOf({ branchesJson }),
    pullRequests: pullRequests === 1,
  }));
}

function branchesOf({ branchesJson }: Pick<SecretRow, "branchesJson">): readonly string[] | null {
  return branchesJson === null ? null : (JSON.parse(branchesJson) as string[]);
}

/** They were handed to a job. */
export async function markUsed(
  tx: Tx,
  repo: string,
  names: readonly string[],
  jobId: string,
): Promise<void> {
  if (names.length === 0) return;
  await tx.db
    .updateTable("secrets")
    .set({ lastUsedAt: tx.now(), lastUsedBy: jobId })
    .where("repo", "=", repo)
    .where("name", "in", names)
    .execute();
}
