import { formatNevra } from "../../domain/nevra.ts";
import {
  judgePackages,
  packageNameOf,
  type CheckedChannel,
  type Judgement,
  type NewestListed,
  type Refused,
} from "../../domain/publish-rules.ts";
import type { PublishCheckAnswer, PublishCheckRequest } from "../../shared/publish-messages.ts";
import { findBuild } from "./builds.ts";
import { findChannels, type Channel } from "./channels.ts";
import { inChunks } from "./chunks.ts";
import { newestListed } from "./listings.ts";
import { channelsOf } from "./publish-ends.ts";
import { allowances, ownersOf } from "./rights.ts";
import type { BuildRow, PublishRow } from "./schema.ts";
import type { Reader } from "./store.ts";

type Db = Pick<Reader, "db">;
type Asked = PublishCheckRequest["packages"];

/** May these packages be published where the publish wants them? Everything wrong at once. */
export async function checkPublish(
  tx: Db,
  publish: PublishRow,
  { packages }: PublishCheckRequest,
): Promise<PublishCheckAnswer> {
  const known = await knownPackages(tx, packages);
  const build = publish.buildId === null ? undefined : await findBuild(tx, publish.buildId);
  // What an admin imports is the admin's word; only identities stay what they are.
  const judged = build && (await judge(tx, publish, build, packages));
  const yanked = packages.flatMap(({ nevra }) => refuseYanked(known.get(formatNevra(nevra))));
  return {
    packages: packages.map((asked) => verdictOn(asked, known.get(formatNevra(asked.nevra)))),
    refusals: [...(judged?.refusals ?? []), ...yanked],
    warnings: [...(judged?.warnings ?? [])],
  };
}

export interface KnownPackage {
  readonly nevra: string;
  readonly unsignedSha256: string;
  readonly signedSha256: string;
  readonly sweptAt: number | null;
  readonly yankedAt: number | null;
  readonly yankReason: string | null;
  /** It never left its build's own channel: other content may take its NEVRA. */
  readonly freedAt: number | null;
  /** `owner/name #12`, or `an import`. */
  readonly by: string;
}

/** By NEVRA; new ones are missing. */
export async function knownPackages(
  { db }: Db,
  packages: readonly { readonly nevra: Asked[number]["nevra"] }[],
): Promise<ReadonlyMap<string, KnownPackage>> {
  const names = packages.map(({ nevra }) => formatNevra(nevra));
  const rows = await inChunks(names, (some) =>
    db
      .selectFrom("packages")
      .leftJoin("builds", "builds.id", "packages.buildId")
      .select([
        "nevra",
        "unsignedSha256",
        "signedSha256",
        "sweptAt",
        "yankedAt",
        "yankReason",
        "freedAt",
        "builds.repo",
        "builds.number",
      ])
      .where("nevra", "in", some)
      .execute(),
  );
  return new Map(
    rows.map(({ repo, number, ...row }) => {
      const by = repo === null ? "an import" : `${repo} #${number ?? 0}`;
      return [row.nevra, { ...row, by }];
    }),
  );
}

/** What stands in the way of this content, or is it; undefined: the NEVRA is free for it. */
export function standing(
  known: KnownPackage | undefined,
  unsignedSha256: string,
): KnownPackage | undefined {
  const isFree = known?.freedAt != null && known.unsignedSha256 !== unsignedSha256;
  return isFree ? undefined : known;
}

function verdictOn(
  { unsignedSha256 }: Asked[number],
  before: KnownPackage | undefined,
): PublishCheckAnswer["packages"][number] {
  const known = standing(before, unsignedSha256);
  const isSame = known?.unsignedSha256 === unsignedSha256;
  // Its signed bytes are deleted, so it is signed anew.
  if (known === undefined || (isSame && known.sweptAt !== null)) {
    return { unsignedSha256, verdict: "new", signedSha256: null, takenBy: null };
  }
  const signedSha256 = isSame ? known.signedSha256 : null;
  return { unsignedSha256, verdict: isSame ? "same" : "taken", signedSha256, takenBy: known.by };
}

/** Nothing that was taken from the hosts comes back by a rerun. */
export function refuseYanked(known: KnownPackage | undefined): readonly Refused[] {
  if (known === undefined || known.yankedAt === null) return [];
  const reason = known.yankReason ? `: ${known.yankReason}` : "";
  return [
    {
      code: "NEVRA_TAKEN",
      message: `${known.nevra} was yanked${reason}.`,
      hint: "Raise Release in the spec file, or push a new tag.",
    },
  ];
}

async function judge(
  tx: Db,
  publish: PublishRow,
  build: BuildRow,
  packages: Asked,
): Promise<Judgement> {
  const channels = await findChannels(tx, channelsOf(publish));
  const names = packages.flatMap(({ nevra, provides, obsoletes, conflicts }) => [
    nevra.name,
    ...[...provides, ...obsoletes, ...conflicts].map(packageNameOf),
  ]);
  const allowed = await allowances(tx, build.repo);
  const lifted = new Set(allowed.map(({ rule, subject }) => `${rule} ${subject}`));
  const checked: CheckedChannel[] = [];
  for (const channel of channels.values())
    checked.push(await checkedChannel(tx, channel, packages));
  return judgePackages(packages, {
    repo: build.repo,
    buildNumber: await pushedAs(tx, build),
    channels: checked,
    owners: await ownersOf(tx, names),
    isAllowed: (rule, subject) => lifted.has(`${rule} ${subject}`),
  });
}

const RERUNS_MAX = 100;

/** The number of the build that the push made: a rerun makes its commit no newer. */
export async function pushedAs({ db }: Db, build: BuildRow): Promise<number> {
  let { number, rerunOf } = build;
  for (let i = 0; rerunOf !== null && i < RERUNS_MAX; i += 1) {
    const id = rerunOf;
    const select = db.selectFrom("builds").select(["number", "rerunOf"]).where("id", "=", id);
    const earlier = await select.executeTakeFirst();
    if (earlier === undefined) break;
    ({ number, rerunOf } = earlier);
  }
  return number;
}

async function checkedChannel(
  { db }: Db,
  { name, settings }: Channel,
  packages: Asked,
): Promise<CheckedChannel> {
  const targets = [...new Set(packages.flatMap(({ target }) => siblingsOf(target)))];
  const names = packages.map(({ nevra }) => nevra.name);
  const rows = await newestListed({ db }, { channel: name, targets, names });
  const builds = await inChunks(
    rows.flatMap(({ buildId }) => buildId ?? []),
    (some) => db.selectFrom("builds").select(["id", "number"]).where("id", "in", some).execute(),
  );
  const numbers = new Map(builds.map(({ id, number }) => [id, number]));
  const newest = new Map<string, NewestListed & { readonly evrKey: string }>();
  for (const { target, name, arch, buildId, ...row } of rows) {
    const buildNumber = buildId === null ? null : (numbers.get(buildId) ?? null);
    const key = `${mainOf(target)} ${name} ${arch}`;
    if ((newest.get(key)?.evrKey ?? "") < row.evrKey) newest.set(key, { ...row, buildNumber });
  }
  return {
    name,
    olderVersions: settings.olderVersions,
    repos: settings.repos,
    newest: ({ target, nevra }) => newest.get(`${mainOf(target)} ${nevra.name} ${nevra.arch}`),
  };
}

/** Sources and debug packages are listed in targets beside the job's own. */
const SIBLING = /-(?:source|debug)$/;

function mainOf(target: string): string {
  return target.replace(SIBLING, "");
}

function siblingsOf(target: string): readonly string[] {
  const main = mainOf(target);
  return [main, `${main}-source`, `${main}-debug`];
}
