import { connect } from "../api-client.ts";
import type { ApiPackageName, ApiPackageVersion, ChannelApi } from "../channel-api.ts";
import { channelApi } from "../channel-api.ts";
import type { Command, CommandContext } from "../command.ts";
import { CommandError, EXIT } from "../exit-codes.ts";
import { answerJson } from "../json-answer.ts";
import type { Line } from "../print.ts";
import { withSuggestions } from "../suggest.ts";

const LIMIT_DEFAULT = 50;
const PAGE_MAX = 500;
const LIMIT_MAX = 100_000;

export const packages: Command = {
  name: "packages",
  usage: "[name]",
  summary: "Published packages: the newest per channel, or all versions of one.",
  examples: [
    ["tatara packages", "names with their newest version in each channel"],
    ["tatara packages hello", "every version, where it is listed, which build made it"],
    ["tatara packages --channel stable --find lib", "names with lib in stable"],
  ],
  options: {
    channel: { type: "string", value: "channel", help: "only what this one lists" },
    find: { type: "string", value: "text", help: "only names with this in them" },
    limit: { type: "string", value: "count", help: `at most so many names (${LIMIT_DEFAULT})` },
  },
  positionalsMax: 1,
  run: async (context) => {
    const api = channelApi(await connect(context.env, context.signal));
    const [name] = context.positionals;
    const channel = context.text("channel");
    if (channel !== undefined) {
      await withSuggestions(api, { channels: [channel] }, () => api.channel(channel));
    }
    const found =
      name === undefined
        ? await findNames(context, api, channel)
        : await findVersions(api, name, channel);
    if (context.isJson) for (const one of found.rows) answerJson(context, one);
    else for (const line of found.lines) context.printer.answer(...line);
    if (found.rows.length === 0) context.printer.progress("There are none.");
    return EXIT.ok;
  },
};

interface Found {
  readonly rows: readonly object[];
  readonly lines: readonly Line[];
}

async function findNames(
  context: CommandContext,
  api: ChannelApi,
  channel: string | undefined,
): Promise<Found> {
  const limit = wantedLimit(context.text("limit"));
  const find = context.text("find");
  const query = find === undefined ? {} : { query: find };
  const found: ApiPackageName[] = [];
  for (let after = ""; found.length < limit;) {
    const page = await api.packageNames({ ...query, after, limit: String(PAGE_MAX) });
    found.push(...page.filter(({ newest }) => channel === undefined || channel in newest));
    after = page.at(-1)?.name ?? "";
    if (page.length < PAGE_MAX) break;
  }
  const rows = found.slice(0, limit);
  if (found.length > limit) context.printer.progress(`There are more than ${limit}: --limit`);
  return { rows, lines: nameLines(rows, channel) };
}

function wantedLimit(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  const message = `--limit ${text}: a number from 1 to ${LIMIT_MAX} is expected`;
  throw new CommandError(EXIT.usage, message);
}

/** `  hello   dev 1.4.0-1   stable 1.3.2-1   acme/hello` */
function nameLines(rows: readonly ApiPackageName[], channel: string | undefined): readonly Line[] {
  const columns = Math.max(0, ...rows.map(({ name }) => name.length));
  return rows.map(({ name, newest, repo }): Line => {
    const shown = Object.entries(newest).filter(
      ([one]) => channel === undefined || one === channel,
    );
    const places = shown.map(([one, evr]) => `${one} ${evr}`).join("   ");
    return [
      `  ${name.padEnd(columns)}   ${places || "in no channel"}   `,
      { ink: "dim", text: repo },
    ];
  });
}

async function findVersions(
  api: ChannelApi,
  name: string,
  channel: string | undefined,
): Promise<Found> {
  const versions = await withSuggestions(api, { packages: [name] }, () => api.versions(name));
  const rows = versions.filter(
    ({ listings }) => channel === undefined || listings.some((one) => one.channel === channel),
  );
  return { rows, lines: versionLines(rows) };
}

/** `  hello-1.4.0-1.noarch   dev, stable (el9.x86_64)   acme/hello#12   2026-11-21` */
function versionLines(rows: readonly ApiPackageVersion[]): readonly Line[] {
  const columns = Math.max(0, ...rows.map(({ nevra }) => nevra.length));
  return rows.flatMap(({ nevra, yanked, listings, build, publishedAt }): Line[] => {
    const places = placesSaid(listings);
    const made = build === null ? "imported" : `${build.repo}#${build.number}`;
    const facts = `${places || "in no channel"}   ${made}   ${publishedAt.slice(0, 10)}`;
    return [
      [`  ${nevra.padEnd(columns)}   ${facts}`],
      ...(yanked === null ? [] : [yankedLine(yanked)]),
    ];
  });
}

function placesSaid(listings: ApiPackageVersion["listings"]): string {
  const byTarget = Map.groupBy(listings, ({ target }) => target);
  const places = [...byTarget].map(
    ([target, there]) => [there.map(({ channel }) => channel).join(", "), target] as const,
  );
  const byChannels = Map.groupBy(places, ([channels]) => channels);
  return [...byChannels]
    .map(([channels, there]) => `${channels} (${there.map(([, target]) => target).join(", ")})`)
    .join("; ");
}

function yankedLine({ at, reason, refused }: NonNullable<ApiPackageVersion["yanked"]>): Line {
  const how = refused ? "downloads refused" : "yanked";
  return [
    "    ",
    { ink: "red", text: how },
    ` on ${at.slice(0, 10)}: ${reason || "no reason given"}`,
  ];
}
