import type { Readable } from "node:stream";
import { raceAbort } from "../race-abort.ts";
import type { BuildDeps } from "./build-plan.ts";
import { buildWithBuildKit, hasBuildKit } from "./buildkit.ts";
import { buildClassic } from "./classic.ts";
import { needsBuildKit } from "./dockerfile.ts";
import { peekDockerfile } from "./peek-dockerfile.ts";
import type { BuildImageOptions, ImageBuild } from "../engine.ts";

/**
 * Builds with the classic builder what it can build, because its limits hold and its output is whole;
 * with BuildKit what needs it (see docs/decisions/0010-image-builder.md).
 */
export async function buildImage(
  deps: BuildDeps,
  options: BuildImageOptions,
  signal: AbortSignal,
): Promise<ImageBuild> {
  const running = { at: deps.now() };
  deps.buildStarts.add(running);
  try {
    const build = { ...options, ...(await peek(options, signal)) };
    if (needsBuildKit(build.text ?? "") && (await hasBuildKit(deps, signal))) {
      return await buildWithBuildKit(deps, build, signal);
    }
    return await buildClassic(deps, build, signal);
  } finally {
    deps.buildStarts.delete(running);
  }
}

/** A context that is not wanted any more is closed, so that whoever fills it ends too. */
async function peek({ context, dockerfile }: BuildImageOptions, signal: AbortSignal) {
  try {
    return await raceAbort(peekDockerfile(context, dockerfile), signal);
  } catch (err) {
    if ("destroy" in context) (context as Readable).destroy();
    throw err;
  }
}
