import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isChannelName } from "../../domain/channel.ts";
import { absent } from "./absent.ts";
import { IMMUTABLE, NO_CACHE, typeOf } from "./content.ts";
import type { Handler } from "./context.ts";
import { isPackageFile, isServedName } from "./names.ts";
import { param, quoted } from "./places.ts";
import { refuse, sendContent, sendText } from "./send.ts";

const KEYS: Readonly<Record<string, string>> = {
  "tatara.asc": "application/pgp-keys",
  fingerprint: "text/plain; charset=utf-8",
};

/** The same bytes below every channel, target and generation; 410 for a package that is refused. */
export const sendPackage: Handler = async (request, response, { layout, refused }) => {
  const sha256 = param(request, "sha256");
  const fileName = param(request, "file");
  const isNamed =
    isChannelName(param(request, "channel")) && isServedName(param(request, "target"));
  if (!isNamed || !isPackageFile(sha256, fileName)) {
    return refuse(response, "There is no such package.");
  }
  if (await refused(sha256)) {
    const why = `${fileName} was withdrawn. Run dnf with --refresh: it takes what is offered now.`;
    return sendText(response, 410, why);
  }
  const path = layout.package({ sha256, fileName });
  const found = await stat(path).catch(absent);
  if (found === undefined) {
    return refuse(response, `${fileName} is not there any more. Run dnf with --refresh.`);
  }
  const parts = [{ path, start: 0, bytes: found.size }];
  const content = { parts, tag: sha256, type: typeOf(fileName), caching: IMMUTABLE };
  // Packages are too many to be remembered, and each is fetched seldom.
  await sendContent(request, response, content, undefined);
};

/** The key may change by rotation: its tag says when, and nobody keeps it unasked. */
export const sendKey: Handler = async (request, response, { layout }) => {
  const file = param(request, "file");
  const type = Object.hasOwn(KEYS, file) ? KEYS[file] : undefined;
  if (type === undefined) return refuse(response, `There is no key file ${quoted(file)}.`);
  const path = join(layout.keys, file);
  const found = await stat(path).catch(absent);
  if (found === undefined) return refuse(response, "There is no key before the first publish.");
  const tag = `${file}.${found.size}.${found.mtimeMs}`;
  const parts = [{ path, start: 0, bytes: found.size }];
  await sendContent(request, response, { parts, tag, type, caching: NO_CACHE }, undefined);
};
