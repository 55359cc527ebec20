import type { SecretUse } from "../../src/domain/pipeline.ts";
import type { BuildGrant } from "../../src/shared/build-messages.ts";
import type { SecretFile } from "./engine.ts";

/** Of the secrets that a step names, those that this build may read. */
export function readableSecrets(
  { secrets }: Pick<BuildGrant, "secrets">,
  uses: readonly SecretUse[],
): readonly SecretFile[] {
  return uses.flatMap(({ name, as }) => {
    const found = secrets.find((secret) => secret.name === name);
    return found === undefined ? [] : [{ ...found, isEnv: as === "env" }];
  });
}

/** `$NAME_FILE` of each. */
export function secretPaths(secrets: readonly SecretFile[]): Readonly<Record<string, string>> {
  return Object.fromEntries(secrets.map(({ name }) => [`${name}_FILE`, `/run/secrets/${name}`]));
}

/** For the page: the step runs without these. */
export function withheldSecrets(
  { secrets }: Pick<BuildGrant, "secrets">,
  uses: readonly SecretUse[],
): readonly string[] {
  const readable = new Set(secrets.map(({ name }) => name));
  return uses
    .filter(({ name }) => !readable.has(name))
    .map(({ name }) => `The secret ${name} is not given to this build.`);
}
