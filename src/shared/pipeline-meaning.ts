import { nearSpelling } from "../domain/near-spelling.ts";
import { defaultImage } from "../domain/pipeline-guess.ts";
import type {
  CommitTree,
  Pipeline,
  PipelineImage,
  PipelineProblem,
  PipelineProblemCode,
} from "../domain/pipeline.ts";
import { baseName, pathInRepo } from "../domain/repo-path.ts";
import { problemAt, quoted } from "./pipeline-mistake.ts";
import type { Placed, PipelineShape } from "./pipeline-shape.ts";

type Finding = { code: PipelineProblemCode; message: string; hint: string };
type Checked<Value> = { value: Value } | { finding: Finding };

/** Layer 3: what the file names is looked for in the commit. */
export function checkPipelineMeaning(
  shape: PipelineShape,
  tree: CommitTree,
): { pipeline: Pipeline; problems: readonly PipelineProblem[] } {
  const problems: PipelineProblem[] = [];
  const take = <Value>(placed: Placed, checked: Checked<Value>): Value | undefined => {
    if ("value" in checked) return checked.value;
    problems.push(problemAt(placed.at, checked.finding));
    return undefined;
  };
  const image = shape.image && take(shape.image, checkImage(shape.image.value, tree));
  const spec = shape.spec && take(shape.spec, checkSpec(shape.spec.value, tree));
  const nothingToPublish = publishNothing(shape);
  if (nothingToPublish !== undefined) problems.push(nothingToPublish);
  return {
    pipeline: {
      image: image ?? defaultImage(tree),
      tests: shape.tests,
      spec: spec ?? null,
      publish: shape.publish?.value ?? null,
    },
    problems,
  };
}

const PATH_HINT = 'paths are inside the repository, without a leading "/"';

function checkImage(written: string, tree: CommitTree): Checked<PipelineImage> {
  const isPath = /^\.{0,2}\//.test(written);
  return isPath ? checkDockerfile(written, tree) : checkImageName(written, tree);
}

function checkDockerfile(written: string, tree: CommitTree): Checked<PipelineImage> {
  const path = pathInRepo(written);
  if (path === undefined) return { finding: outside(written) };
  if (tree.has(path)) return { value: { kind: "dockerfile", path } };
  const hint =
    suggestion(path, tree, "image: ./") ??
    "commit it, or name an image of a registry, without the ./ in front";
  return { finding: { code: "FILE_MISSING", message: missing(path, tree), hint } };
}

/**
 * Names as registries know them. The parts share no letters with the marks between them, so that
 * there is one way only to read a name and a hostile one takes no longer.
 */
const IMAGE_NAME =
  /^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
const IMAGE_NAME_LENGTH_MAX = 400;
const DOCKERFILE_NAME = /^(?:dockerfile|containerfile)(?:\.|$)|\.(?:dockerfile|containerfile)$/i;

function checkImageName(written: string, tree: CommitTree): Checked<PipelineImage> {
  const path = pathInRepo(written);
  const message = `${quoted(written)} would be pulled from a registry`;
  if (path !== undefined && tree.has(path)) {
    const hint = `there is a file of that name: write ./${path}`;
    return { finding: { code: "IMAGE_PATH", message, hint } };
  }
  if (path !== undefined && DOCKERFILE_NAME.test(baseName(path))) {
    const hint = suggestion(path, tree, "image: ./") ?? "there is no file of that name either";
    return { finding: { code: "IMAGE_PATH", message, hint } };
  }
  if (written.length <= IMAGE_NAME_LENGTH_MAX && IMAGE_NAME.test(written)) {
    return { value: { kind: "named", name: written } };
  }
  const small = written.slice(0, IMAGE_NAME_LENGTH_MAX).toLowerCase();
  const hint = IMAGE_NAME.test(small)
    ? `small letters: ${quoted(small)}`
    : "an image is written like `node:24`, a Dockerfile like `./Dockerfile`";
  return {
    finding: { code: "NAME_INVALID", message: `${quoted(written)} is no image name`, hint },
  };
}

function checkSpec(written: string, tree: CommitTree): Checked<string> {
  const path = pathInRepo(written);
  if (path === undefined) return { finding: outside(written) };
  if (!tree.has(path)) {
    const hint = suggestion(path, tree, "package: ") ?? specHint(tree);
    return { finding: { code: "SPEC_MISSING", message: missing(path, tree), hint } };
  }
  if (path.endsWith(".spec")) return { value: path };
  const message = `${quoted(written)} is no .spec file`;
  return { finding: { code: "PATH_INVALID", message, hint: specHint(tree) } };
}

function specHint(tree: CommitTree): string {
  const specs = tree.files().filter((file) => file.endsWith(".spec"));
  const [only] = specs;
  if (only === undefined) return "commit the spec file";
  if (specs.length === 1) return `found ${only}: write \`package: ${only}\``;
  const more = specs.length > 5 ? ` and ${specs.length - 5} more` : "";
  return `spec files in this commit: ${specs.slice(0, 5).join(", ")}${more}`;
}

function outside(written: string): Finding {
  return {
    code: "PATH_INVALID",
    message: `${quoted(written)} ${whyOutside(written)}`,
    hint: PATH_HINT,
  };
}

function whyOutside(written: string): string {
  if (written.startsWith("/")) return 'starts with "/"';
  return /(?:^|\/)\.\.(?:\/|$)/.test(written) ? "leaves the repository" : "names no file";
}

function missing(path: string, tree: CommitTree): string {
  return `no file ${quoted(path)} in commit ${tree.shortSha}`;
}

/** The file that was meant: the same name in another folder, or a name that is nearly the same. */
function suggestion(
  path: string,
  tree: CommitTree,
  line: "image: ./" | "package: ",
): string | undefined {
  const files = tree.files();
  const prefix = line === "image: ./" ? "./" : "";
  const near = nearSpelling(path, files);
  if (near !== undefined) return `did you mean ${prefix}${near}?`;
  const name = baseName(path).toLowerCase();
  const elsewhere = files.find((file) => baseName(file).toLowerCase() === name);
  if (elsewhere !== undefined) return `found ${elsewhere}: write \`${line}${elsewhere}\``;
  const nearName = nearSpelling(name, new Set(files.map(baseName)));
  const meant = files.find((file) => baseName(file) === nearName);
  return meant === undefined ? undefined : `did you mean ${prefix}${meant}?`;
}

function publishNothing({ keys, publish }: PipelineShape): PipelineProblem | undefined {
  const publishAt = keys.get("publish");
  const isRefused = publish === undefined; // Then the file's author has heard of this line already.
  if (publishAt === undefined || isRefused || keys.has("package")) return undefined;
  return problemAt(publishAt, {
    code: "PUBLISH_NOTHING",
    message: "there is no package to publish",
    hint: "add `package:`, or remove `publish`",
  });
}
