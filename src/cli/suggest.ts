import { nearSpelling } from "../domain/near-spelling.ts";
import type { ChannelApi } from "./channel-api.ts";
import { CommandError, EXIT } from "./exit-codes.ts";

/** What the person named, as far as the server may not know it. */
export interface Named {
  readonly channels?: readonly (string | undefined)[];
  readonly packages?: readonly string[];
}

/** Does the work; a name that the server does not know is answered with the one that was meant. */
export async function withSuggestions<T>(
  api: ChannelApi,
  named: Named,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (err) {
    if (!(err instanceof CommandError) || err.exitCode !== EXIT.notFound) throw err;
    // The lists are a favour: what went wrong stays what is said.
    const near = await nearName(api, named, err.message).catch(() => undefined);
    if (near === undefined) throw err;
    throw new CommandError(err.exitCode, err.message, `did you mean ${near}?`);
  }
}

async function nearName(
  api: ChannelApi,
  { channels = [], packages = [] }: Named,
  message: string,
): Promise<string | undefined> {
  // Only of what the message complains about: the other names may be right.
  const isMeant = (name: string): boolean => message.includes(name);
  const known = (await api.channels()).map(({ name }) => name);
  for (const name of channels) {
    if (name === undefined || known.includes(name) || !isMeant(name)) continue;
    const near = nearSpelling(name, known);
    if (near !== undefined) return near;
  }
  for (const wish of packages.filter(isMeant)) {
    const near = nearSpelling(wish, await namesLike(api, wish));
    if (near !== undefined) return near;
  }
  return undefined;
}

const PART_LENGTH = 3;

/** Names that share the beginning or the end of what was typed. */
async function namesLike(api: ChannelApi, wish: string): Promise<readonly string[]> {
  const parts = [wish.slice(0, PART_LENGTH), wish.slice(-PART_LENGTH)];
  const found = await Promise.all(parts.map((query) => api.packageNames({ query, limit: "500" })));
  return found.flat().map(({ name }) => name);
}
