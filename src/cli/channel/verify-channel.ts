import { readClientConfig } from "../../shared/config.ts";
import { verifyTarget } from "../../yum/verify-target.ts";
import type { Verified } from "../../yum/verify-target.ts";
import { EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import { signatureChecker } from "../yum/check-signature.ts";
import { localLayout } from "../yum/local-channel.ts";
import { readServed, readServedTarget } from "../yum/served-target.ts";
import { verifyServed } from "../yum/verify-served.ts";
import type { ChannelAction, ChannelRequest } from "./channel-action.ts";
import { servedNames, wantedTargets } from "./served-targets.ts";

const KEYS_BYTES_MAX = 2 ** 20;

export const verifyChannel: ChannelAction = {
  usage: "verify <channel> [--target el9.x86_64] [--remote]",
  restMax: 0,
  run: async (request) => {
    const { context, api, name } = request;
    const channel = await api.channel(name);
    const keys = await readServed(`${api.url}/yum/keys/tatara.asc`, KEYS_BYTES_MAX, context.signal);
    const verifySignature = signatureChecker(new TextDecoder().decode(keys), context.signal);
    let problemCount = 0;
    for (const target of wantedTargets(channel, context.text("target"))) {
      for (const served of servedNames(target)) {
        const place = { channel: name, number: channel.head, target: served };
        const verified = await verifyOne(request, place, verifySignature);
        if (verified === undefined) continue;
        problemCount += verified.problems.length;
        tell(request, place, verified);
      }
    }
    return problemCount === 0 ? EXIT.ok : EXIT.failed;
  },
};

interface Place {
  readonly channel: string;
  readonly number: number;
  readonly target: string;
}

type WhereVerified = Verified & { readonly where: "files" | "http" };

/** On the files if they are here, which also looks into the pool and the segments; else by HTTP. */
async function verifyOne(
  { context, api }: ChannelRequest,
  place: Place,
  verifySignature: (path: string, signature: string) => Promise<void>,
): Promise<WhereVerified | undefined> {
  const { signal, printer, env, flag } = context;
  const served = await readServedTarget(api.url, place, signal);
  if (served === undefined) return undefined;
  const onProgress = (done: number): void =>
    printer.block([[`  ${place.target}: ${done} packages`]]);
  try {
    const { dataDir } = readClientConfig(env);
    const layout = flag("remote") ? undefined : await localLayout(dataDir, place, served.repomd);
    if (layout !== undefined) {
      const verified = await verifyTarget(layout, place, { verifySignature, onProgress });
      return verified && { ...verified, where: "files" };
    }
    const verified = await verifyServed(served, { verifySignature, onProgress, signal });
    return { ...verified, where: "http" };
  } finally {
    printer.block([]);
  }
}

function tell({ context }: ChannelRequest, place: Place, verified: WhereVerified): void {
  const { printer } = context;
  const { packages, problems, where } = verified;
  if (context.isJson) return answerJson(context, { ...place, ...verified });
  const how = where === "files" ? "in the data folder" : "over HTTP";
  const word =
    problems.length === 0
      ? ({ ink: "green", text: "ok    " } as const)
      : ({ ink: "red", text: "FAIL  " } as const);
  printer.answer(
    "  ",
    word,
    `${place.channel}@${place.number}  ${place.target}   ${packages} packages, read ${how}`,
  );
  for (const problem of problems) printer.answer(`        ${problem}`);
}
