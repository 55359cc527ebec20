import { longPackage } from "./long-form-package.ts";
import { at, filled, imageMap, ofRule, onlyMap, same } from "./long-form-parts.ts";
import type { LongForm } from "./long-form-parts.ts";
import { longTest } from "./long-form-test.ts";
import { PIPELINE_FILE } from "./pipeline.ts";
import type { Pipeline, Project, PublishRule, Service, When } from "./pipeline.ts";
import { formatDuration, formatSize } from "./pipeline-types.ts";

/**
 * The pipeline as a file that says the same with nothing left out: what short forms, defaults and
 * the top level stand for is written in each step. Read again it gives the same pipeline.
 */
export function longFormOf(pipeline: Pipeline): LongForm {
  const { when, onNewerPush, checkout, runAllOn, projects } = pipeline;
  const [first] = projects;
  const isSingle = projects.length === 1 && first?.name === "";
  const shared = isSingle ? [] : sharedServices(projects);
  const rest = isSingle
    ? longProject(first, [])
    : { projects: named(projects, (project) => longNamedProject(project, shared)) };
  return filled({
    ...(isSingle ? {} : { services: longServices(shared, "") }),
    ...rest,
    when: longWhen(when),
    "on-newer-push": onNewerPush,
    checkout: { submodules: checkout.submodules, lfs: checkout.lfs },
    "run-all-on": same(runAllOn, [PIPELINE_FILE]) ? null : runAllOn,
  });
}

function named<T extends { readonly name: string }>(
  items: readonly T[],
  longOf: (item: T) => unknown,
): ReadonlyMap<string, unknown> {
  // Objects would put names that are numbers first.
  return new Map(items.map((item) => [item.name, longOf(item)]));
}

function longWhen({ schedule, ...rule }: When): LongForm {
  return filled({ ...ofRule(rule, ""), schedule });
}

function longNamedProject(project: Project, shared: readonly Service[]): LongForm {
  const { path, also, needs, only } = project;
  return filled({
    path: path === "" ? "." : path,
    also,
    needs,
    only: onlyMap(only, path),
    ...longProject(project, shared),
  });
}

function longProject(project: Project, shared: readonly Service[]): LongForm {
  const { path, image, services, tests, packages, publish } = project;
  const own = services.filter((service) => !shared.some((other) => same(service, other)));
  return filled({
    image: imageMap(image, path),
    services: longServices(own, path),
    test: named(tests, (test) => longTest(test, path)),
    package: packages.map((step) => longPackage(step, path)),
    publish: longPublish(publish),
  });
}

/**
 * Services of the top level stand first in every project. Those whose Dockerfile lies outside of a
 * project can only be written there; so are all before them.
 */
function sharedServices(projects: readonly Project[]): readonly Service[] {
  const lists = projects.map(({ services }) => services);
  const shared: Service[] = [];
  for (const [index, { name }] of (lists[0] ?? []).entries()) {
    const all = lists.map((list) => list[index]);
    if (all.some((service) => service?.name !== name)) break;
    const found = all.find((service) => service !== undefined && isOfTop(service));
    if (found === undefined) break;
    shared.push(found);
  }
  return shared;
}

function isOfTop({ image }: Service): boolean {
  return image.kind !== "dockerfile" || image.context === "";
}

function longServices(services: readonly Service[], folder: string): ReadonlyMap<string, unknown> {
  return named(services, (service) => {
    const { image, command, env, ready, readyTimeoutMs, cpus, memoryBytes } = service;
    return filled({
      image: image.kind === "dockerfile" ? at(folder, image.path, "./") : nameOf(image),
      command,
      env,
      ready,
      "ready-timeout": formatDuration(readyTimeoutMs),
      resources: { cpus, memory: formatSize(memoryBytes) },
    });
  });
}

function nameOf(image: Service["image"]): string | null {
  return image.kind === "named" ? image.name : null;
}

/** A rule for the default branch has no long form of its own while nobody knows that branch. */
function longPublish(rules: readonly PublishRule[]): unknown {
  const [first] = rules;
  if (first === undefined) return null;
  if (rules.length === 1 && first.isDefaultBranch) return first.channel;
  return new Map(
    rules.map(({ channel, branches, tags, promoteFrom }) => {
      return [channel, filled({ branch: branches, tag: tags, "promote-from": promoteFrom })];
    }),
  );
}
