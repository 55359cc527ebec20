import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { findingsOf } from "./finding.ts";
import type { Finding } from "./finding.ts";
import { nameOf } from "./records.ts";
import type { JobRecord, PackageRecord } from "./rows.ts";
import type { Look } from "./world.ts";

const finding = findingsOf("I9");
const REPORT = "please report it with the build's page; run the commit again";

/** I9: only attempts that were granted left anything, and what is published is of the one that counted. */
export async function checkFences(look: Look): Promise<readonly Finding[]> {
  const jobs = new Map(look.records.all("jobs").map((job) => [job.id, job]));
  return [
    ...checkRows(look, jobs),
    ...checkSources(look, jobs),
    ...checkReleases(look),
    ...(await checkLogFolders(look, jobs)),
  ];
}

type Jobs = ReadonlyMap<string, JobRecord>;

function checkRows({ records }: Look, jobs: Jobs): readonly Finding[] {
  const said = [
    ...records.all("steps").map((row) => ({ ...row, thing: `step ${row.name}` })),
    ...records.all("artifacts").map((row) => ({ ...row, thing: `artifact ${row.fileName}` })),
    ...records.all("keptFiles").map((row) => ({ ...row, thing: `kept file ${row.path}` })),
  ];
  return said.flatMap(({ jobId, attempt, thing }) => {
    const granted = jobs.get(jobId)?.attempt ?? 0;
    if (attempt >= 1 && attempt <= granted) return [];
    return [neverGranted(`${thing} of ${jobId}-${attempt}`, granted)];
  });
}

function neverGranted(where: string, granted: number): Finding {
  return finding({
    figure: "duplicated",
    what: "something was written by an attempt that was never granted",
    where,
    evidence: `attempts granted to the job: ${granted}`,
    wayOut: REPORT,
  });
}

/** A package of an attempt whose token was stale would have another digest, or another build. */
function checkSources({ records }: Look, jobs: Jobs): readonly Finding[] {
  const made = new Set(
    records.all("artifacts").flatMap(({ jobId, attempt, sha256 }) => {
      const job = jobs.get(jobId);
      return job?.attempt === attempt ? [`${job.buildId} ${sha256}`] : [];
    }),
  );
  const isOfAttempt = ({ buildId, unsignedSha256 }: PackageRecord): boolean =>
    made.has(`${buildId ?? ""} ${unsignedSha256}`);
  return records
    .all("packages")
    .filter((row) => row.buildId !== null && !isOfAttempt(row))
    .map(({ nevra, unsignedSha256 }) =>
      finding({
        figure: "duplicated",
        what: "a package is of no attempt that counted",
        where: nevra,
        evidence: `its unsigned bytes are ${unsignedSha256}`,
        wayOut: "yank it, and publish under a new release",
      }),
    );
}

/** Live and passed are one decision: neither is without the other. */
function checkReleases({ records }: Look): readonly Finding[] {
  const builds = new Map(records.all("builds").map((build) => [build.id, build]));
  const finals = records
    .all("publishes")
    .filter(({ purpose, buildId }) => purpose === "final" && buildId !== null);
  const live = finals.filter(({ state }) => state === "live");
  const isLive = new Set(live.map(({ buildId }) => buildId));
  const wayOut = "yank the packages if the build should not have passed; please report it";
  const wrong = (what: string, where: string, evidence: string): Finding =>
    finding({ what, where, evidence, wayOut });
  return [
    ...live.flatMap(({ buildId, id }) => {
      const build = builds.get(buildId ?? "");
      if (build?.state === "passed") return [];
      const where = build === undefined ? `publish ${id}` : nameOf(build);
      const what = "packages are live although their build is not passed";
      return [wrong(what, where, build?.state ?? "no such build")];
    }),
    ...finals
      .filter(({ buildId }) => !isLive.has(buildId))
      .flatMap(({ buildId, state }) => {
        const build = builds.get(buildId ?? "");
        if (build?.state !== "passed") return [];
        const what = "a build is passed although its packages are not live";
        return [wrong(what, nameOf(build), `its publish is ${state}`)];
      }),
    ...records
      .all("jobs")
      .filter(({ kind, state }) => kind === "verify" && state !== "passed")
      .filter(({ buildId }) => isLive.has(buildId))
      .map(({ name, buildId, state }) =>
        wrong("packages are live that were not verified", buildId, `${name} is ${state}`),
      ),
    ...records
      .all("packages")
      .filter(({ buildId, freedAt }) => buildId !== null && freedAt === null)
      .filter(({ buildId }) => builds.get(buildId ?? "")?.endedAt !== null && !isLive.has(buildId))
      .map(({ nevra, buildId }) => {
        const what = "a package is published although its build never went live";
        return wrong(what, nevra, `build ${buildId ?? ""}`);
      }),
  ];
}

/** `<build>/<job>/<attempt>`: a folder that no grant explains was written past the fence. */
async function checkLogFolders({ dataDir }: Look, jobs: Jobs): Promise<readonly Finding[]> {
  const logs = join(dataDir, "logs");
  const found: Finding[] = [];
  for (const buildId of await foldersIn(logs)) {
    for (const jobId of await foldersIn(join(logs, buildId))) {
      const job = jobs.get(jobId);
      const granted = job?.buildId === buildId ? job.attempt : 0;
      for (const attempt of await foldersIn(join(logs, buildId, jobId))) {
        const isGranted = Number(attempt) >= 1 && Number(attempt) <= granted;
        const where = join("logs", buildId, jobId, attempt);
        if (!isGranted) found.push(neverGranted(where, granted));
      }
    }
  }
  return found;
}

async function foldersIn(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
