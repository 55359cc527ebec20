import { matcherOf } from "./patterns.ts";
import type { Pipeline, Project } from "./pipeline.ts";
import type { PlanFacts } from "./plan-facts.ts";
import { judgeOnly } from "./plan-rules.ts";

export interface JudgedProject {
  readonly project: Project;
  /** Why nothing of it runs; null: it does. */
  readonly skip: string | null;
}

/** Projects in an order in which each comes after those that it needs, else as the file has them. */
export function judgeProjects(pipeline: Pipeline, facts: PlanFacts): readonly JudgedProject[] {
  const judged = new Map<string, JudgedProject>();
  for (const project of inOrderOfNeeds(pipeline.projects)) {
    const neededRuns = project.needs.some((name) => judged.get(name)?.skip === null);
    const skip =
      judgeOnly(project.only, facts, project.name) ??
      (neededRuns ? null : untouched(project, pipeline, facts));
    judged.set(project.name, { project, skip });
  }
  return [...judged.values()];
}

function untouched(project: Project, pipeline: Pipeline, facts: PlanFacts): string | null {
  const files = facts.changes[project.name] ?? null;
  // Without the key `projects` there is one, and every change concerns it.
  if (project.name === "" || files === null || project.path === "") return null;
  const elsewhere = matcherOf([...project.also]);
  const forAll = matcherOf(pipeline.runAllOn);
  const folder = `${project.path}/`;
  const isConcerned = (file: string): boolean =>
    file.startsWith(folder) || elsewhere(file) || forAll(file);
  return files.some(isConcerned) ? null : "no changed file concerns it";
}

function inOrderOfNeeds(projects: readonly Project[]): readonly Project[] {
  const ordered = new Set<Project>();
  const waiting = new Set(projects);
  while (waiting.size > 0) {
    const isFree = ({ needs }: Project): boolean =>
      ![...waiting].some(({ name }) => needs.includes(name));
    // A circle was refused when the file was read; what is left of one keeps its order.
    const next = [...waiting].find(isFree) ?? [...waiting][0];
    if (next === undefined) break;
    waiting.delete(next);
    ordered.add(next);
  }
  return [...ordered];
}
