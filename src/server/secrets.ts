import { mayReadSecret, secretsUsedBy, type SecretRule } from "../domain/secret-rules.ts";
import type { ServerNames } from "../domain/pipeline.ts";
import type { TrustClass } from "../domain/push.ts";
import type { BuildGrant } from "../shared/build-messages.ts";
import type { SecretKey } from "./secret-key.ts";
import { readPullRequest } from "./store/new-builds.ts";
import type { BuildRow, JobRow } from "./store/schema.ts";
import {
  listSecrets,
  markUsed,
  removeSecret,
  sealedSecrets,
  setSecret,
  type StoredSecret,
} from "./store/secrets.ts";
import { specOf } from "./store/stored-plan.ts";
import type { Store } from "./store/store.ts";

export interface Secrets {
  set(
    secret: SecretRule & { readonly repo: string; readonly name: string; readonly value: string },
  ): Promise<"new" | "replaced">;
  remove(repo: string, name: string): Promise<boolean>;
  list(repo: string): Promise<readonly StoredSecret[]>;
  /** What a pipeline file of the repo may name. */
  namesOf(repo: string): Promise<ServerNames["secrets"]>;
  /**
   * The values that a job's steps ask for and its build may read; each is noted as handed to it. The
   * worker that plans goes on with the first job under the same grant, and its logs are masked from
   * the first line, so it gets all that the build may read.
   */
  valuesFor(granted: {
    readonly job: JobRow;
    readonly build: BuildRow;
  }): Promise<BuildGrant["secrets"]>;
}

export function openSecrets(store: Store, key: SecretKey): Secrets {
  return {
    set: ({ repo, name, value, branches, pullRequests }) => {
      const sealed = key.seal(value, contextOf(repo, name));
      const row = { repo, name, keyId: key.id, sealed, branches, pullRequests };
      return store.write((tx) => setSecret(tx, row));
    },
    remove: (repo, name) => store.write((tx) => removeSecret(tx, repo, name)),
    list: (repo) => listSecrets(store, repo),
    namesOf: async (repo) =>
      (await listSecrets(store, repo)).map(({ name, pullRequests }) => ({ name, pullRequests })),
    valuesFor: async ({ job, build }) => {
      const spec = specOf(job);
      const used = spec === null ? undefined : secretsUsedBy(spec);
      if (used?.size === 0) return [];
      const reader = readerOf(build);
      const readable = (await sealedSecrets(store, build.repo)).filter(
        (secret) => (used?.has(secret.name) ?? true) && mayReadSecret(secret, reader),
      );
      if (readable.length === 0) return [];
      const values = readable.map(({ repo, name, sealed }) => ({
        name,
        value: key.open(sealed, contextOf(repo, name)),
      }));
      const names = readable.map(({ name }) => name);
      await store.write((tx) => markUsed(tx, build.repo, names, job.id));
      return values;
    },
  };
}

function readerOf(build: BuildRow) {
  return {
    trust: build.trust as TrustClass,
    ref: build.ref,
    pullRequest: readPullRequest(build),
  };
}

/** A sealed value that is put into another row does not open there. */
function contextOf(repo: string, name: string): string {
  return `secret ${repo} ${name}`;
}
