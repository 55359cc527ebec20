import { PIPELINE_FILE } from "./pipeline.ts";
import type { Pipeline } from "./pipeline.ts";

/** What a first pipeline file says, in the shortest words. */
export interface OfferedParts {
  readonly hasDockerfile: boolean;
  /** A command, or the stage of the Dockerfile that is the test. */
  readonly test: { readonly command: string } | { readonly stage: string } | null;
  /** Paths of spec files. */
  readonly packages: readonly string[];
}

/** The parts of a guess, which has no others. */
export function partsOfGuess({ projects }: Pipeline): OfferedParts {
  const [project] = projects;
  const [test] = project?.tests ?? [];
  const stage = test?.image?.kind === "dockerfile" ? test.image.stage : null;
  const command = test?.run ?? null;
  const specs = project?.packages.flatMap(({ source }) =>
    source.kind === "spec" ? [source.path] : [],
  );
  return {
    hasDockerfile: project?.image.kind === "dockerfile",
    test: command !== null ? { command } : stage === null ? null : { stage },
    packages: specs ?? [],
  };
}

/** The parts as a file that is ready to be committed; undefined when there is nothing to say. */
export function offeredFile({ hasDockerfile, test, packages }: OfferedParts): string | undefined {
  const lines = [
    ...(hasDockerfile ? ["image: ./Dockerfile"] : []),
    ...testLines(test),
    ...packageLines(packages),
  ];
  if (lines.length === 0) return undefined;
  const image = hasDockerfile ? [] : ["# image: node:24    # else the server's base image is used"];
  const publish =
    packages.length === 0
      ? []
      : ["# publish: dev     # packages of the default branch go to this channel"];
  return `${[...image, ...lines, ...publish].join("\n")}\n`;
}

function testLines(test: OfferedParts["test"]): readonly string[] {
  if (test === null) return [];
  if ("command" in test) return [`test: ${scalar(test.command)}`];
  const image = `image: { build: ./Dockerfile, stage: ${scalar(test.stage)} }`;
  return ["test:", "  test:", `    ${image}`];
}

function packageLines(packages: readonly string[]): readonly string[] {
  const [first, ...others] = packages;
  if (first === undefined) return [];
  if (others.length === 0) return [`package: ${scalar(first)}`];
  return ["package:", ...packages.map((path) => `  - ${scalar(path)}`)];
}

/** As it is where YAML reads it as text, else in quotes. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z./][\w./+-]*(?: [\w./+&-]+)*$/.test(text);
  return isPlain && !/^(?:true|false|null|on|off|yes|no)$/i.test(text)
    ? text
    : JSON.stringify(text);
}

/** What it says, as a person would tell it. */
export function toldParts({ hasDockerfile, test, packages }: OfferedParts): string {
  const parts = [
    ...(hasDockerfile ? ["image ./Dockerfile"] : []),
    ...(test === null
      ? []
      : ["command" in test ? `test \`${test.command}\`` : `test stage ${test.stage}`]),
    ...packages.map((path) => `package ${path}`),
  ];
  return `${PIPELINE_FILE}: ${parts.join(", ")}`;
}
