import { CommandError, EXIT } from "../exit-codes.ts";

/** `stable@88`, `stable`: the form alone, whether there is such a channel says the server. */
export function parseChannelAt(
  given: string | undefined,
  example: string,
): { readonly name: string; readonly number: number | undefined } {
  if (given === undefined) throw new CommandError(EXIT.usage, "Which channel?", example);
  const [, name, number] = /^([^@\s]+)(?:@([1-9]\d{0,8}))?$/.exec(given) ?? [];
  if (name === undefined) {
    throw new CommandError(EXIT.usage, `${given} names no generation.`, example);
  }
  return { name, number: number === undefined ? undefined : Number(number) };
}
