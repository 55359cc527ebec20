import { RESERVED_ENV } from "./reserved-env.ts";

const NAME = /^[A-Z][A-Z0-9_]{0,62}$/;
export const PARAMS_MAX = 50;
export const PARAM_CHARACTERS_MAX = 4_000;

/** What is wrong with the parameters of a build by hand; undefined: nothing. */
export function paramsProblem(params: Readonly<Record<string, string>>): string | undefined {
  const entries = Object.entries(params);
  if (entries.length > PARAMS_MAX) return `At most ${PARAMS_MAX} parameters are taken.`;
  for (const [name, value] of entries) {
    if (!NAME.test(name)) {
      return `${name} is no name of a parameter: capital letters, digits and _ make one.`;
    }
    if (RESERVED_ENV.has(name)) return `${name} is set by Tatara; choose another name.`;
    if (value.length > PARAM_CHARACTERS_MAX) {
      return `${name} is longer than ${PARAM_CHARACTERS_MAX} characters.`;
    }
    if (value.includes("\u0000") || !value.isWellFormed()) return `${name} is no text.`;
  }
  return undefined;
}
