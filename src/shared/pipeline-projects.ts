import type { Only, PipelineImage, Project, PublishRule } from "../domain/pipeline.ts";
import { PIPELINE_JOBS_MAX } from "../domain/pipeline-keys.ts";
import { has, mapOf, textOf, textsOf, valueOf } from "./pipeline-checked.ts";
import type { CheckedEntry, CheckedMap } from "./pipeline-checked.ts";
import { NO_DEFAULTS, readDefaults, runsOnPullRequests } from "./pipeline-defaults.ts";
import type { Defaults } from "./pipeline-defaults.ts";
import { defaultImage, readImage } from "./pipeline-image.ts";
import { quoted } from "./pipeline-mistake.ts";
import { checkNeeds } from "./pipeline-needs.ts";
import { readPackages } from "./pipeline-packages.ts";
import { readFilePatterns, readFolder } from "./pipeline-paths.ts";
import { readPublish } from "./pipeline-publish.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";
import { checkReachable, readOnly } from "./pipeline-rules.ts";
import { readServices } from "./pipeline-services.ts";
import type { Services } from "./pipeline-services.ts";
import { readTests } from "./pipeline-tests.ts";

const ROOT: Scope = { folder: "", variables: [] };
const START = { line: 1, column: 1, length: 1 };

/** What a project takes from the top level where it says nothing itself. */
interface Above {
  readonly when: Only;
  readonly defaults: Defaults;
  readonly image: PipelineImage | undefined;
  readonly services: Services;
  readonly publish: readonly PublishRule[];
}

/** The projects of the file; without the key there is one, called "". */
export function readProjects(top: CheckedMap, when: Only, reading: Reading): readonly Project[] {
  if (!has(top, "projects")) {
    const above = { ...aboveNothing(when), when };
    return [readProject({ name: "", map: top, folder: "", only: null }, above, reading)];
  }
  for (const key of ["test", "package"]) {
    const entry = top.entries.get(key);
    if (entry === undefined) continue;
    refuse(reading, entry.keyAt, {
      code: "PROJECTS_MIXED",
      message: `"${key}" stands beside "projects"`,
      hint: "move it into a project",
    });
  }
  const above = readAbove(top, when, reading);
  const entries = [...(mapOf(top, "projects")?.entries.values() ?? [])];
  const found = entries.flatMap((entry) => readEntry(entry, above, reading) ?? []);
  checkNeeds(
    found.map(({ project, map }) => ({ name: project.name, needs: textsOf(map, "needs") ?? [] })),
    "project",
    entries.map(({ key }) => key),
    reading,
  );
  const projects = found.map(({ project }) => project);
  if (!entries.some(({ value }) => value?.kind === "map" && has(value, "package"))) {
    refusePublishNothing(top, above.publish, reading);
  }
  return projects;
}

function aboveNothing(when: Only): Above {
  return { when, defaults: NO_DEFAULTS, image: undefined, services: new Map(), publish: [] };
}

function readAbove(top: CheckedMap, when: Only, reading: Reading): Above {
  const runsThere = { ...ROOT, runsOnPullRequests: runsOnPullRequests([when]) };
  return {
    when,
    defaults: readDefaults(top, "", NO_DEFAULTS, reading),
    image: readImage(valueOf(top, "image"), runsThere, reading),
    services: readServices(mapOf(top, "services"), "", reading),
    publish: readPublish(valueOf(top, "publish"), reading),
  };
}

function readEntry(
  { key: name, value }: CheckedEntry,
  above: Above,
  reading: Reading,
): { readonly project: Project; readonly map: CheckedMap } | undefined {
  if (value?.kind !== "map") return undefined;
  const path = textOf(value, "path");
  const folder = path && readProjectFolder(path, reading);
  // Without its folder nothing in it can be found, and each file would be told as missing.
  if (folder === undefined) return undefined;
  const scope: Scope = { folder, variables: [] };
  const only = readOnly(mapOf(value, "only"), scope, reading);
  checkReachable(mapOf(value, "only"), "the project", above.when, reading);
  const project = readProject({ name, map: value, folder, only }, above, reading);
  return { project, map: value };
}

function readProjectFolder(
  path: NonNullable<ReturnType<typeof textOf>>,
  reading: Reading,
): string | undefined {
  const folder = readFolder(path, ROOT, reading);
  // In front of patterns such a name would be one itself.
  if (folder === undefined || !/[*?[\]{}\\!]/.test(folder)) return folder;
  return refuse(reading, path.at, {
    code: "PATH_INVALID",
    message: `${quoted(path.value)} has signs of patterns`,
    hint: "rename the folder: no * ? [ ] { } \\ ! in it",
  });
}

interface FoundProject {
  readonly name: string;
  readonly map: CheckedMap;
  readonly folder: string;
  readonly only: Only | null;
}

function readProject(
  { name, map, folder, only }: FoundProject,
  above: Above,
  reading: Reading,
): Project {
  const { when } = above;
  const scope = { folder, variables: [], runsOnPullRequests: runsOnPullRequests([when, only]) };
  const where = { folder, when, only };
  const defaults = readDefaults(map, folder, above.defaults, reading);
  const own = readServices(mapOf(map, "services"), folder, reading);
  const services: Services = new Map([...above.services, ...own]);
  const image = readImage(valueOf(map, "image"), scope, reading) ?? above.image;
  const packagesAt = map.entries.get("package")?.keyAt ?? START;
  const packageCount = countOf(map, "package");
  const tests = has(map, "test")
    ? readTests(
        valueOf(map, "test"),
        map.entries.get("test")?.keyAt ?? START,
        { ...where, defaults, services, otherSteps: 2 + packageCount },
        reading,
      )
    : [];
  const packages = readPackages(
    valueOf(map, "package"),
    packagesAt,
    { ...where, defaults, tests },
    reading,
  );
  const publish = has(map, "publish")
    ? readPublish(valueOf(map, "publish"), reading)
    : above.publish;
  if (!has(map, "package") && !has(map, "projects")) refusePublishNothing(map, publish, reading);
  const project: Project = {
    name,
    path: folder,
    also: readFilePatterns(textsOf(map, "also") ?? [], ROOT, reading),
    needs: textsOf(map, "needs")?.map(({ value }) => value) ?? [],
    only,
    image: image ?? defaultImage(folder, reading),
    services: [...services.values()].flatMap(({ service }) =>
      service === undefined ? [] : [service],
    ),
    tests,
    packages,
    publish,
  };
  checkJobs(project, map, reading);
  return project;
}

function countOf(map: CheckedMap, key: string): number {
  const value = valueOf(map, key);
  if (value?.kind === "list") return value.items.length;
  return has(map, key) ? 1 : 0;
}

/** Told at the key itself; a project that takes the top level's rule is not to blame. */
function refusePublishNothing(
  map: CheckedMap,
  publish: readonly PublishRule[],
  reading: Reading,
): void {
  const entry = map.entries.get("publish");
  if (entry === undefined || publish.length === 0) return;
  refuse(reading, entry.keyAt, {
    code: "PUBLISH_NOTHING",
    message: "there is no package to publish",
    hint: "add `package:`, or remove `publish`",
  });
}

/** A job per target, and one more for each that is verified. */
function checkJobs({ packages }: Project, map: CheckedMap, reading: Reading): void {
  const verified = new Set<string>();
  const targets = new Set<string>();
  for (const { for: wanted, arch, verify } of packages) {
    for (const target of (wanted ?? [""]).flatMap((one) => arch.map((name) => `${one}.${name}`))) {
      targets.add(target);
      if (verify !== null) verified.add(target);
    }
  }
  const count = targets.size + verified.size;
  if (count <= PIPELINE_JOBS_MAX) return;
  refuse(reading, map.entries.get("package")?.keyAt ?? START, {
    code: "LIMIT_EXCEEDED",
    message: `${count} jobs are over the limit, ${PIPELINE_JOBS_MAX}`,
    hint: "build for fewer targets",
  });
}
