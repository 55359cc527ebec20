import type { Request, Response } from "express";
import { layerName } from "../../yum/target-state.ts";
import type { ChannelHead, Context, Handler } from "./context.ts";
import { familiesOf } from "./families.ts";
import { isLayer, siblingOf } from "./names.ts";
import { findChannel, param, quoted } from "./places.ts";
import { expireSecondsOf, repoFile } from "./repo-file.ts";
import type { RepoFileReader, Section } from "./repo-file.ts";
import { refuse, sendText } from "./send.ts";

/** Which hosts a `.repo` file is for, and the targets that stand behind it. */
interface Choice {
  readonly title: string;
  readonly sections: readonly Section[];
  readonly targets: readonly string[];
}

interface Asked {
  readonly name: string;
  readonly channel: ChannelHead;
  readonly targets: readonly string[];
}

const INCLUDED = /^[A-Za-z0-9*?][A-Za-z0-9*?._+-]{0,120}$/;
const INCLUDED_MAX = 1_000;
const PRIORITY = /^[1-9]\d?$/;

/**
 * `<channel>.repo`: for `?target=`, or for all releases of a `?family=`; `?includepkgs=` and
 * `?priority=` guard against packages of the same name elsewhere; `?for=zypper` is zypper's form,
 * which zypper itself is given unasked. 300 with what there is to choose from when none is named
 * and there are several.
 */
export const sendRepoFile: Handler = async (request, response, context) => {
  const file = param(request, "file");
  const name = file.endsWith(".repo") ? file.slice(0, -".repo".length) : undefined;
  if (name === undefined) return refuse(response, "Channels are served as /yum/<channel>.repo.");
  const channel = await findChannel(name, context);
  if (channel === undefined) return refuse(response, `There is no channel ${quoted(name)}.`);
  const targets = Object.keys(channel.targets).filter((each) => !isLayer(each));
  if (targets.length === 0) return refuse(response, `Channel ${quoted(name)} has no packages.`);

  const asked = { name, channel, targets: targets.toSorted() };
  const choice = choose(request, asked);
  if (choice === undefined) return sendChoices(request, response, asked, context);
  const guards = await guardsOf(request, choice, asked, context);
  if (typeof guards === "string") return sendText(response, 400, guards);
  const text = repoFile({
    ...guards,
    channel: name,
    title: choice.title,
    sections: choice.sections,
    url: context.publicUrlOf(request),
    reader: readerOf(request),
    metadataExpireSeconds: expireSecondsOf(name, channel.metadataExpireSeconds),
  });
  sendText(response, 200, text, { vary: "user-agent" });
};

function readerOf(request: Request): RepoFileReader {
  const isZypper =
    request.query["for"] === "zypper" || /^ZYpp\b/.test(request.get("user-agent") ?? "");
  return isZypper ? "zypper" : "dnf";
}

function choose(request: Request, { targets, channel }: Asked): Choice | undefined {
  const { family: familyName, target: targetName } = request.query;
  const family = familiesOf(targets).find(({ name }) => name === familyName);
  if (familyName !== undefined) {
    if (family === undefined) return undefined;
    const section = { suffix: siblingOf(family.pattern), served: family.pattern };
    return { title: family.pattern, sections: [section], targets: family.targets };
  }
  const main = targets.filter((each) => siblingOf(each) === "");
  const wanted = targetName ?? (main.length === 1 ? main[0] : undefined);
  const target = targets.find((each) => each === wanted);
  return target === undefined
    ? undefined
    : { title: target, sections: sectionsOf(target, channel), targets: [target] };
}

/** The base keeps the plain name, so that a host which had the whole target before has no third section. */
function sectionsOf(target: string, { targets }: ChannelHead): readonly Section[] {
  const suffix = siblingOf(target);
  const base = layerName(target, "base");
  const updates = layerName(target, "updates");
  if (!Object.hasOwn(targets, base) || !Object.hasOwn(targets, updates)) {
    return [{ suffix, served: target }];
  }
  return [
    { suffix, served: base },
    { suffix: `${suffix}-updates`, served: updates },
  ];
}

function sendChoices(
  request: Request,
  response: Response,
  { name, targets }: Asked,
  { publicUrlOf }: Context,
): void {
  const url = `${publicUrlOf(request)}/yum/${name}.repo`;
  const isAsked = request.query["target"] !== undefined || request.query["family"] !== undefined;
  const families = familiesOf(targets).map((family) => `${url}?family=${family.name}\n`);
  const text = [
    `Channel ${quoted(name)} has packages for:\n`,
    ...targets.map((each) => `${url}?target=${each}\n`),
    ...(families.length > 0 ? ["One file for all releases of a distribution:\n"] : []),
    ...families,
  ];
  sendText(response, isAsked ? 404 : 300, text.join(""));
}

/** What the file is to say beyond the addresses, or why not. */
async function guardsOf(
  request: Request,
  choice: Choice,
  { name, channel }: Asked,
  { names }: Context,
) {
  const { priority, includepkgs } = request.query;
  if (priority !== undefined && !(typeof priority === "string" && PRIORITY.test(priority))) {
    return "priority: a number from 1 to 99; lower wins, and dnf's default is 99.";
  }
  const guards = { priority: priority === undefined ? undefined : Number(priority) };
  if (includepkgs === undefined) return guards;
  if (includepkgs !== "1") {
    const patterns = typeof includepkgs === "string" ? includepkgs.split(",") : [""];
    const isGood = patterns.length <= INCLUDED_MAX && patterns.every((each) => INCLUDED.test(each));
    return isGood
      ? { ...guards, includePackages: patterns }
      : "includepkgs: 1 for the names in the channel now, or names and patterns with commas between.";
  }
  const places = choice.targets.flatMap((served) => {
    const number = channel.targets[served];
    return number === undefined ? [] : [{ channel: name, served, number }];
  });
  const found = await names.of(places);
  return found === undefined
    ? "includepkgs=1: the channel has too many names for a list; give patterns, as includepkgs=acme-*."
    : { ...guards, includePackages: found };
}
