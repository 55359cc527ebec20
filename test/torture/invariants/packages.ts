import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { isBuildChannel } from "../../../src/domain/channel.ts";
import type { GenerationRow, PackageRow } from "../../../src/server/store/schema.ts";
import { yumLayout } from "../../../src/yum/layout.ts";
import { endsFile, memberFile, targetState } from "../../../src/yum/target-state.ts";
import type { Records } from "../records.ts";
import { nameOf } from "./pushes.ts";
import type { Violation } from "./violation.ts";

/** I6 and I9: one NEVRA has one content for ever, and it is that of the attempt that counted. */
export async function checkPackages(
  records: Records,
  dataDir: string,
): Promise<readonly Violation[]> {
  const yumDir = join(dataDir, "yum");
  const packages = records.all("packages");
  const contents = await contentsByNevra(yumDir, records.all("generations"));
  const found = await Promise.all(
    packages.map(async (row) => [
      ...(await checkPool(yumDir, row)),
      ...checkListed(row, contents.get(row.nevra) ?? new Set()),
      ...checkSource(records, row),
    ]),
  );
  return [...found.flat(), ...checkPublished(records, packages)];
}

async function checkPool(yumDir: string, row: PackageRow): Promise<readonly Violation[]> {
  const { signedSha256: sha256, fileName, nevra } = row;
  const path = join(yumDir, "pool", sha256.slice(0, 2), sha256, fileName);
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return [broken(`${nevra} is not in the pool`)];
  const isWhole = createHash("sha256").update(bytes).digest("hex") === sha256;
  return isWhole ? [] : [broken(`${nevra} has other bytes in the pool`)];
}

/** As every generation that was ever announced to hosts lists it; a freed one was never there. */
function checkListed(row: PackageRow, listed: ReadonlySet<string>): readonly Violation[] {
  const seen = [...listed].join(", ");
  if (row.freedAt !== null) {
    return seen === "" ? [] : [broken(`${row.nevra} was never released, but is listed`)];
  }
  if (seen === row.signedSha256) return [];
  const what = `${row.nevra} is listed as ${seen || "nothing"}, not ${row.signedSha256}`;
  return [{ figure: listed.size > 1 ? "duplicated" : "broken", what }];
}

/** A package of an attempt whose token was stale would have another digest, or another build. */
function checkSource(records: Records, row: PackageRow): readonly Violation[] {
  const jobs = records.all("jobs").filter(({ buildId }) => buildId === row.buildId);
  const made = records
    .all("artifacts")
    .filter(({ jobId, attempt }) =>
      jobs.some((job) => job.id === jobId && job.attempt === attempt),
    );
  if (made.some(({ sha256 }) => sha256 === row.unsignedSha256)) return [];
  return [{ figure: "duplicated", what: `${row.nevra} is of no attempt that counted` }];
}

/** Passed builds are live where hosts look, once they are verified; nothing else is. */
function checkPublished(records: Records, packages: readonly PackageRow[]): readonly Violation[] {
  const builds = records.all("builds");
  const stateOf = new Map(builds.map(({ id, state }) => [id, state]));
  const live = records
    .all("publishes")
    .filter(({ purpose, state }) => purpose === "final" && state === "live");
  const isLive = new Set(live.map(({ buildId }) => buildId));
  return [
    // Every sample asks to be published, so a "passed" that nobody can install is a lie.
    ...builds
      .filter(({ id, state }) => state === "passed" && !isLive.has(id))
      .map((build) => broken(`${nameOf(build)} is passed, but not live`)),
    ...live
      .map(({ buildId }) => buildId ?? "")
      .filter((buildId) => stateOf.get(buildId) !== "passed")
      .map((buildId) => broken(`${buildId} is live and ${stateOf.get(buildId) ?? "gone"}`)),
    ...records
      .all("jobs")
      .filter(({ kind, state }) => kind === "verify" && state !== "passed")
      .filter(({ buildId }) => isLive.has(buildId))
      .map(({ name, buildId }) => broken(`${buildId} is live without "${name}"`)),
    ...packages
      .filter(({ buildId, freedAt }) => freedAt === null && !isLive.has(buildId))
      .map(({ nevra, buildId }) => broken(`${nevra} is published, but ${buildId} is not live`)),
  ];
}

/** NEVRA → the checksums under which announced generations list it, other than builds' own. */
async function contentsByNevra(
  yumDir: string,
  generations: readonly GenerationRow[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const contents = new Map<string, Set<string>>();
  for (const { channel, number } of generations) {
    if (isBuildChannel(channel)) continue;
    const dir = join(yumDir, "channels", channel, "g", String(number));
    for (const { nevra, sha256 } of await listedIn(dir)) {
      contents.set(nevra, (contents.get(nevra) ?? new Set()).add(sha256));
    }
  }
  return contents;
}

/** What clients of this generation are served: the members of `primary`, one after the other. */
async function listedIn(dir: string) {
  const files = await readdir(dir, { recursive: true });
  const states = files.filter((file) => file.endsWith("target.json"));
  const texts = await Promise.all(
    states.map(async (file) => {
      const state = targetState.parse(JSON.parse(await readFile(join(dir, file), "utf8")));
      const segments = yumLayout(join(dir, "..", "..", "..", ".."));
      const ends = await readFile(join(dir, file, "..", "repodata", endsFile("primary")));
      const { headBytes } = state.views.full.documents.primary;
      const members = await Promise.all(
        state.segments.map(({ id }) =>
          readFile(join(segments.segment(id), memberFile("primary", state.compression))),
        ),
      );
      const parts = [ends.subarray(0, headBytes), ...members, ends.subarray(headBytes)];
      return gunzipSync(Buffer.concat(parts)).toString("utf8");
    }),
  );
  return texts.flatMap((text) => text.split("<package ").slice(1)).map(packageIn);
}

function packageIn(xml: string): { readonly nevra: string; readonly sha256: string } {
  const find = (pattern: RegExp): string => pattern.exec(xml)?.[1] ?? "";
  const epoch = find(/<version [^>]*epoch="(\d+)"/);
  const version = find(/<version [^>]*ver="([^"]+)"/);
  const release = find(/<version [^>]*rel="([^"]+)"/);
  const evr = `${epoch === "0" ? "" : `${epoch}:`}${version}-${release}`;
  return {
    nevra: `${find(/<name>([^<]+)/)}-${evr}.${find(/<arch>([^<]+)/)}`,
    sha256: find(/<checksum [^>]*>([0-9a-f]{64})/),
  };
}

function broken(what: string): Violation {
  return { figure: "broken", what };
}
