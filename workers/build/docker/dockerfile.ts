import { UserFault } from "../../../src/domain/faults.ts";

const NEEDS_BUILDKIT =
  /requires BuildKit|Unknown flag: (mount|link|network|security|chmod|parents)/i;

const HEREDOC = /^\s*(RUN|COPY|ADD)\s.*(?<!<)<<-?["']?[A-Za-z_]/i;
const BUILDKIT_FLAG =
  /^\s*(RUN\s+(--\S+\s+)*--(mount|network|security)\b|(COPY|ADD)\s.*--(chmod|link|parents|exclude)\b)/i;

/** Whether some line is one that the classic builder refuses. */
export function needsBuildKit(dockerfile: string): boolean {
  return dockerfile.split("\n").some((line) => HEREDOC.test(line) || BUILDKIT_FLAG.test(line));
}

/** The image that a `# syntax=` line at the top names, which BuildKit would run as its parser. */
export function syntaxImageOf(dockerfile: string): string | undefined {
  for (const line of dockerfile.split("\n")) {
    const [, name, value] = /^#\s*([a-z]+)\s*=\s*(\S+)\s*$/i.exec(line) ?? [];
    // Such lines are read up to the first that is none.
    if (name === undefined) return undefined;
    if (name.toLowerCase() === "syntax") return value;
  }
  return undefined;
}

/** How many instructions of a kind a Dockerfile has; 0 where its text is not known. */
export function countOf(instruction: string, dockerfile = ""): number {
  return dockerfile.match(new RegExp(`^\\s*${instruction}\\s`, "gim"))?.length ?? 0;
}

export interface DockerfileProblem {
  /** The engine's own words. */
  readonly message: string;
  /** Path of the Dockerfile, and its text where it is known. */
  readonly file: string;
  readonly text: string | undefined;
  readonly cause?: unknown;
  /** BuildKit said it: what it does not know yet needs a newer engine. */
  readonly isBuildKit?: boolean;
}

/** What the engine says about a Dockerfile that it cannot read, for the person who wrote it. */
export function dockerfileFault(problem: DockerfileProblem): UserFault {
  const { message, file, text, cause, isBuildKit = false } = problem;
  const line = lineIn(message);
  const heredoc = /unknown instruction/i.test(message) ? heredocBefore(line, text) : undefined;
  if (heredoc !== undefined) {
    return new UserFault("DOCKERFILE_NEEDS_BUILDKIT", heredocNeeds(isBuildKit), {
      ...placed(file, heredoc, cause),
      hint: "Write the lines as one command with `&& \\`, or put them into a file and copy it.",
    });
  }
  const place = placed(file, line, cause);
  if (NEEDS_BUILDKIT.test(message)) {
    return new UserFault("DOCKERFILE_NEEDS_BUILDKIT", withoutAdvert(message), {
      ...place,
      hint: isBuildKit
        ? "Write this line without the option: this server's engine is too old for it."
        : "Write this line without the option: images are built without BuildKit here.",
    });
  }
  return new UserFault("DOCKERFILE_INVALID", message, { ...place, hint: hintFor(message) });
}

function heredocNeeds(isBuildKit: boolean): string {
  const needed = isBuildKit ? "a newer BuildKit than this server's engine has" : "BuildKit";
  return `A heredoc in RUN or COPY needs ${needed}.`;
}

function placed(file: string, line: number | undefined, cause: unknown) {
  return line === undefined ? { file, cause } : { file, line, cause };
}

function lineIn(message: string): number | undefined {
  const line = /parse error line (\d+)/i.exec(message)?.[1];
  return line === undefined ? undefined : Number(line);
}

/** To the classic builder the lines of a heredoc are instructions that it does not know. */
function heredocBefore(line = 1, text = ""): number | undefined {
  const index = text
    .split("\n")
    .slice(0, line - 1)
    .findLastIndex((found) => HEREDOC.test(found));
  return index < 0 ? undefined : index + 1;
}

function withoutAdvert(message: string): string {
  return message.replace(/\. Refer to https:.*$/, ".");
}

function hintFor(message: string): string {
  if (/Cannot locate specified Dockerfile/i.test(message)) {
    return "Commit the file, or name the right one in .tatara.yml.";
  }
  return "See https://docs.docker.com/reference/dockerfile/ for what this line may say.";
}

/** The image that a `FROM` or `COPY --from=` line names. */
export function imageNamedBy(instruction: string): string | undefined {
  const [word = "", ...rest] = instruction.split(/\s+/);
  if (/^FROM$/i.test(word)) return rest.find((part) => !part.startsWith("--"));
  return /^COPY$/i.test(word) ? /--from=(\S+)/.exec(instruction)?.[1] : undefined;
}
