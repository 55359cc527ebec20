import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { InfraFault } from "../../../src/domain/faults.ts";
import type { StepFailure } from "../../../src/domain/step.ts";
import { containerFailure } from "../container-failure.ts";
import type { Container, Image } from "../engine.ts";
import { firstFile } from "./archive-files.ts";
import type { BuildRepos } from "./build-repos.ts";
import type { PackageDeps } from "./package-types.ts";
import { PACKAGE_HOME } from "./spec-inputs.ts";

/** Raised when what install.sh does changes: older layers are then not used any more. */
const LAYER_VERSION = 2;

/** Exit codes of install.sh. */
const NOT_INSTALLED = 70;
const NO_ANSWER = 71;
const NO_MANAGER = 72;
const STILL_MISSING = 73;
const LIST_BYTES_MAX = 1024 ** 2;

export interface RequirementsWish {
  readonly image: Image;
  /** In rpm's syntax, sorted. */
  readonly requirements: readonly string[];
  /** What `repos` of the package names. */
  readonly repos: readonly string[];
  readonly target: string;
  readonly specPath: string;
  /** Distinguishes the containers of one step. */
  readonly round: number;
}

export type Installed =
  | { readonly kind: "installed"; readonly image: Image; readonly isReused: boolean }
  | { readonly kind: "failed"; readonly failure: StepFailure };

/** The image with what the spec's BuildRequires ask for: an earlier build's, or made now. */
export async function installRequirements(
  wish: RequirementsWish,
  deps: PackageDeps,
  signal: AbortSignal,
): Promise<Installed> {
  const { image, requirements, repos: from, target } = wish;
  // What was installed from a channel is nothing that a package without that channel may be built with.
  const sources = from.length === 0 ? [] : [target, ...from];
  const key = JSON.stringify([LAYER_VERSION, image.digest, requirements, ...sources]);
  // What a channel holds changes with every publish, so what came from one is not asked for again.
  const isKept = wish.repos.length === 0;
  const known = deps.isFresh || !isKept ? undefined : await deps.engine.findLayer(key, signal);
  if (known !== undefined) return { kind: "installed", image: known, isReused: true };
  const network = await deps.network("internet");
  await using repos = await deps.openRepos(wish.repos, wish.target, network);
  const container = await deps.engine.createContainer(
    {
      owner: deps.owner(`REQUIREMENTS.${wish.round}`),
      image,
      command: ["sh", `${PACKAGE_HOME}/in/install.sh`],
      env: {},
      workingDir: "/",
      user: "0:0",
      volumes: {},
      network,
      privilege: "package",
      limits: deps.limits,
      gate: false,
    },
    signal,
  );
  try {
    await container.putArchive(inputs(wish, repos.files, deps.scripts.install), "/", signal);
    await container.start(deps.write, signal);
    const end = await container.wait(signal);
    const failure = containerFailure("installing build requirements", end, deps.limits);
    if (failure !== undefined)
      return { kind: "failed", failure: await explained(failure, { container, wish }, signal) };
    const made = await deps.engine.keepLayer({ container, key }, signal);
    return { kind: "installed", image: made, isReused: false };
  } finally {
    await container.remove(signal);
  }
}

function inputs(
  { requirements }: RequirementsWish,
  repoFiles: BuildRepos["files"],
  script: string,
): Readable {
  const tar = pack();
  const inner = `${PACKAGE_HOME.slice(1)}/in`;
  for (const name of [PACKAGE_HOME.slice(1), inner, `${inner}/repos`]) {
    tar.entry({ name, type: "directory", mode: 0o755 });
  }
  tar.entry({ name: `${inner}/install.sh`, mode: 0o644 }, script);
  tar.entry({ name: `${inner}/requirements`, mode: 0o644 }, `${requirements.join("\n")}\n`);
  const files = Object.entries(repoFiles);
  if (files.length > 0) tar.entry({ name: `${inner}/repos/.some`, mode: 0o644 }, "");
  for (const [name, content] of files) tar.entry({ name: `${inner}/repos/${name}` }, content);
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

async function explained(
  failure: StepFailure,
  { container, wish }: { readonly container: Container; readonly wish: RequirementsWish },
  signal: AbortSignal,
): Promise<StepFailure> {
  const { exitCode } = failure;
  if (exitCode === NO_ANSWER) {
    throw new InfraFault(
      "CANNOT_FETCH",
      "The sources of the builder image's packages did not answer.",
    );
  }
  if (exitCode === STILL_MISSING) {
    const archive = await container.getArchive(`${PACKAGE_HOME}/out/missing`, signal);
    const text = archive && (await firstFile(archive, LIST_BYTES_MAX));
    const missing = (text ?? Buffer.alloc(0)).toString().split("\n").filter(Boolean);
    return requirementsMissing(missing, wish.specPath, exitCode);
  }
  const isRefused = exitCode === NOT_INSTALLED || exitCode === NO_MANAGER;
  return isRefused ? requirementsMissing(wish.requirements, wish.specPath, exitCode) : failure;
}

const LISTED_MAX = 5;

/** The failure that names what no source had. */
export function requirementsMissing(
  missing: readonly string[],
  specPath: string,
  exitCode: number | null,
): StepFailure {
  const more = missing.length - LISTED_MAX;
  const listed = missing.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
  return {
    code: "BUILD_REQUIRES_MISSING",
    message: `The image has no ${listed}, which the spec's BuildRequires ask for.`,
    hint: "Name the yum source that has it under `repos`, install it in the image (a RUN line of the Dockerfile), or correct the spec's BuildRequires.",
    file: specPath,
    line: null,
    exitCode,
  };
}
