import { nearSpelling } from "../domain/near-spelling.ts";
import type { SecretUse } from "../domain/pipeline.ts";
import { RESERVED_ENV } from "../domain/reserved-env.ts";
import { textEntries, textsIn } from "./pipeline-checked.ts";
import type { Checked } from "./pipeline-checked.ts";
import type { Place } from "./pipeline-mistake.ts";
import { quoted } from "./pipeline-mistake.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";

export interface SecretScope extends Scope {
  /** Does a pull request of the same repo get as far as this key? */
  readonly runsOnPullRequests: boolean;
}

/** `[NPM_TOKEN]` or `{ NPM_TOKEN: env }`. */
export function readSecrets(
  value: Checked | undefined,
  scope: SecretScope,
  reading: Reading,
): readonly SecretUse[] {
  if (value?.kind === "map") {
    return textEntries(value).map(({ key, keyAt, value: how }) => {
      if (how.value === "env" && RESERVED_ENV.has(key)) {
        const message = `${key} is set by Tatara`;
        const hint = `\`${key}: file\`, or store it under another name`;
        refuse(reading, keyAt, { code: "ENV_RESERVED", message, hint });
      } else checkSecret(key, keyAt, scope, reading);
      return { name: key, as: how.value === "env" ? "env" : "file" };
    });
  }
  return (textsIn(value) ?? []).map(({ value: name, at }) => {
    checkSecret(name, at, scope, reading);
    return { name, as: "file" };
  });
}

/** Has the repo a secret of this name, and do all builds that ask for it get it? */
export function checkSecret(name: string, at: Place, scope: SecretScope, reading: Reading): void {
  const { names } = reading;
  if (names === undefined) return;
  const repo = names.repo ?? "this repo";
  const secret = names.secrets.find((known) => known.name === name);
  if (secret === undefined) {
    const near = nearSpelling(
      name,
      names.secrets.map((known) => known.name),
    );
    const didYouMean = near === undefined ? "" : `did you mean ${near}? `;
    refuse(reading, at, {
      code: "SECRET_UNKNOWN",
      message: `${repo} has no secret ${quoted(name)}`,
      hint: `${didYouMean}To store one: \`tatara secret set ${name.slice(0, 60)}\``,
    });
  } else if (!secret.pullRequests && scope.runsOnPullRequests) {
    refuse(reading, at, {
      code: "SECRET_WITHHELD",
      message: `${name} is not given to pull requests`,
      hint: "the step runs without it; to leave it out there: `only: { pull-requests: false }`",
      isWarning: true,
    });
  }
}
