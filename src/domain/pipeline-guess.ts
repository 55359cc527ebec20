import { PIPELINE_FILE } from "./pipeline.ts";
import type { CommitTree, Pipeline } from "./pipeline.ts";

export type PipelineGuess =
  | { readonly pipeline: Pipeline; readonly note: string }
  | { readonly nothingToDo: string };

const SPEC_PLACES = /^(?:(?:rpm|packaging)\/)?[^/]+\.spec$/;
const SPECS_SHOWN_MAX = 5;

/**
 * What a repo without a pipeline file says by itself: a Dockerfile is built, and a spec file if
 * there is exactly one. A guess publishes nowhere: that is for a person to say.
 */
export function guessPipeline(tree: CommitTree): PipelineGuess {
  const specs = tree
    .files()
    .filter((path) => SPEC_PLACES.test(path))
    .toSorted();
  const spec = specs.length === 1 ? (specs[0] ?? null) : null;
  const hasDockerfile = tree.has("Dockerfile");
  if (spec === null && !hasDockerfile) return { nothingToDo: nothingToDo(specs) };

  const found = [hasDockerfile ? "image ./Dockerfile" : "", spec === null ? "" : `package ${spec}`];
  const guessed = found.filter((part) => part !== "").join(", ");
  return {
    pipeline: { image: defaultImage(tree), tests: [], spec, publish: null },
    note: `No ${PIPELINE_FILE}; guessed: ${guessed}.${specs.length > 1 ? undecided(specs) : ""}`,
  };
}

/** The image of a pipeline that names none. */
export function defaultImage(tree: CommitTree): Pipeline["image"] {
  return tree.has("Dockerfile") ? { kind: "dockerfile", path: "Dockerfile" } : { kind: "base" };
}

function nothingToDo(specs: readonly string[]): string {
  if (specs.length === 0) {
    return `nothing to build: no ${PIPELINE_FILE}, no Dockerfile, no spec file`;
  }
  return `nothing to build: no ${PIPELINE_FILE} says which of these to package: ${listed(specs)}`;
}

function undecided(specs: readonly string[]): string {
  return ` Not packaged, since there are several spec files: ${listed(specs)}.`;
}

function listed(specs: readonly string[]): string {
  const more = specs.length - SPECS_SHOWN_MAX;
  return specs.slice(0, SPECS_SHOWN_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
