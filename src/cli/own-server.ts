import { readClientConfig } from "../shared/config.ts";
import type { Env } from "../shared/config.ts";
import { readHolder } from "../shared/data-holder.ts";
import { CommandError, EXIT } from "./exit-codes.ts";
import { isAlive } from "./processes/is-alive.ts";

/**
 * The address of the server that the settings mean. Where they name no port, or let the server take any
 * (`TATARA_PORT=0`), it is the one that runs on the data folder: it says there where it listens.
 */
export function serverUrl(env: Env): string {
  const { url, dataDir } = readClientConfig(env);
  const isSaid = (name: string) => (env[name]?.trim() ?? "") !== "";
  const isDrawn = isSaid("TATARA_PORT") && Number(env["TATARA_PORT"]) === 0;
  if (isSaid("TATARA_URL")) return url;
  if (!isDrawn && (isSaid("TATARA_PORT") || isSaid("TATARA_HOST"))) return url;
  const holder = readHolder(dataDir);
  // Whoever listens there after a dead one must not be shown our token.
  if (holder?.url !== undefined && isAlive(holder.pid)) return holder.url;
  if (!isDrawn) return url;
  throw new CommandError(
    EXIT.unreachable,
    `TATARA_PORT=0 lets the server take any free port, and none says in ${dataDir} which it took.`,
    "start it with `npm start`; or set TATARA_DATA_DIR to its data folder, or TATARA_URL to its address",
  );
}
