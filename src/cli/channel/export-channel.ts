import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readClientConfig } from "../../shared/config.ts";
import { exportTarget } from "../../yum/export-target.ts";
import type { Exported } from "../../yum/export-target.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { exportServed } from "../yum/export-served.ts";
import { localLayout } from "../yum/local-channel.ts";
import { readServed, readServedTarget } from "../yum/served-target.ts";
import type { ChannelAction, ChannelRequest } from "./channel-action.ts";
import { wantedTargets } from "./served-targets.ts";

const KEYS_BYTES_MAX = 2 ** 20;

/** A folder per target, and the key file beside them: what a host names as `baseurl` and `gpgkey`. */
export const exportChannel: ChannelAction = {
  usage: "export <channel> --to <folder> [--target el9.x86_64] [--copy] [--remote]",
  restMax: 0,
  run: async (request) => {
    const { context, api, name, example } = request;
    const to = context.text("to");
    if (to === undefined) throw new CommandError(EXIT.usage, "Where to?", example);
    const folder = resolve(context.cwd, to);
    const channel = await api.channel(name);
    const targets = wantedTargets(channel, context.text("target"));
    await mkdir(folder, { recursive: true }).catch((err: Error) => {
      throw new CommandError(EXIT.usage, `${folder} cannot be made: ${err.message}`);
    });
    const keys = await readServed(`${api.url}/yum/keys/tatara.asc`, KEYS_BYTES_MAX, context.signal);
    await writeFile(join(folder, "tatara.asc"), keys);
    for (const target of targets) {
      const place = { channel: name, number: channel.head, target };
      const exported = await exportOne(request, place, join(folder, target));
      const fact = { ...place, folder: join(folder, target), ...exported };
      if (context.isJson) answerJson(context, fact);
      else
        context.printer.answer(
          `  ${name}@${channel.head}  ${target}   ${exported.packages} packages   ${fact.folder}`,
        );
    }
    return EXIT.ok;
  },
};

async function exportOne(
  { context, api }: ChannelRequest,
  place: { readonly channel: string; readonly number: number; readonly target: string },
  folder: string,
): Promise<Exported> {
  const { signal, printer, env, flag } = context;
  const served = await readServedTarget(api.url, place, signal);
  if (served === undefined) {
    throw new CommandError(
      EXIT.notFound,
      `${place.channel}@${place.number} has no ${place.target}.`,
    );
  }
  const onProgress = (done: number): void =>
    printer.block([[`  ${place.target}: ${done} packages`]]);
  try {
    const { dataDir } = readClientConfig(env);
    const layout = flag("remote") ? undefined : await localLayout(dataDir, place, served.repomd);
    const options = { link: !flag("copy"), onProgress };
    const local = layout && (await exportTarget(layout, place, folder, options));
    return local ?? (await exportServed(served, folder, { onProgress, signal }));
  } catch (err) {
    signal.throwIfAborted();
    if (err instanceof CommandError) throw err;
    const why = err instanceof Error ? err.message : String(err);
    throw new CommandError(
      EXIT.errored,
      `${place.target} was not exported: ${why}`,
      "what is there stays; try again",
    );
  } finally {
    printer.block([]);
  }
}
