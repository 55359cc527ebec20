import { paramsProblem } from "../domain/build-params.ts";
import type { CommandOption } from "./command.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

export const PARAM_OPTION = {
  type: "string",
  multiple: true,
  value: "NAME=value",
  help: "a variable for every step; may be given several times",
} as const satisfies CommandOption;

/** `NAME=value` of each `--param`. */
export function paramsOf(texts: readonly string[]): Record<string, string> {
  const params = Object.fromEntries(
    texts.map((text) => {
      const [, name, value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined) {
        throw new CommandError(EXIT.usage, `--param ${text}: NAME=value is expected`);
      }
      return [name, value];
    }),
  );
  const problem = paramsProblem(params);
  if (problem !== undefined) throw new CommandError(EXIT.usage, problem);
  return params;
}
