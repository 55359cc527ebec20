import type { ServerNames } from "../domain/pipeline.ts";
import { namedChannels } from "./store/build-grants.ts";
import type { Store } from "./store/store.ts";

export interface ServerNamesDeps {
  readonly store: Pick<Store, "db">;
  readonly secrets: { namesOf(repo: string): Promise<ServerNames["secrets"]> };
  readonly defaultTarget: string;
  /** Targets that packages can be built for, beside the default. */
  readonly targets: readonly string[];
  /** Names of the yum sources that `repos` may name. */
  readonly yumSources: readonly string[];
}

/** What a repo's pipeline file may name on this server. */
export async function serverNamesFor(
  deps: ServerNamesDeps,
  repo: string,
): Promise<ServerNames & { readonly repo: string }> {
  return {
    repo,
    channels: await namedChannels(deps.store, repo),
    targets: allTargetsOf(deps),
    yumSources: deps.yumSources,
    secrets: await deps.secrets.namesOf(repo),
  };
}

/** The default first. */
export function allTargetsOf({
  defaultTarget,
  targets,
}: Pick<ServerNamesDeps, "defaultTarget" | "targets">): readonly string[] {
  return [...new Set([defaultTarget, ...targets])];
}
