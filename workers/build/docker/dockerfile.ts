import { UserFault } from "../../../src/domain/faults.ts";

const NEEDS_BUILDKIT =
  /requires BuildKit|Unknown flag: (mount|link|network|security|chmod|parents)/i;

const HEREDOC = /^\s*(RUN|COPY|ADD)\s.*<<-?["']?[A-Za-z_]/i;

export interface DockerfileProblem {
  /** The engine's own words. */
  readonly message: string;
  /** Path of the Dockerfile, and its text where it is known. */
  readonly file: string;
  readonly text: string | undefined;
  readonly cause?: unknown;
}

/** What the engine says about a Dockerfile that it cannot read, for the person who wrote it. */
export function dockerfileFault({ message, file, text, cause }: DockerfileProblem): UserFault {
  const line = lineIn(message);
  const heredoc = /unknown instruction/i.test(message) ? heredocBefore(line, text) : undefined;
  if (heredoc !== undefined) {
    return new UserFault("DOCKERFILE_NEEDS_BUILDKIT", "A heredoc in RUN or COPY needs BuildKit.", {
      ...placed(file, heredoc, cause),
      hint: "Write the lines as one command with `&& \\`, or put them into a file and copy it.",
    });
  }
  const place = placed(file, line, cause);
  if (NEEDS_BUILDKIT.test(message)) {
    return new UserFault("DOCKERFILE_NEEDS_BUILDKIT", withoutAdvert(message), {
      ...place,
      hint: "Write this line without the option: images are built without BuildKit here.",
    });
  }
  return new UserFault("DOCKERFILE_INVALID", message, { ...place, hint: hintFor(message) });
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
