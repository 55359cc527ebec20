import { UserFault } from "./faults.ts";
import type { CacheRule, KeepRule, PipelineImage } from "./pipeline.ts";
import { pathInRepo } from "./repo-path.ts";
import { branchOfBuild, tagOfBuild } from "./plan-facts.ts";
import type { GitFacts } from "./pipeline.ts";

/** Puts values in the place of `${matrix.node}` and `${git.sha}`; `$${` stands for `${`. */
export type Fill = (text: string) => string;

const TEMPLATE = /\$?\$\{([a-z]+\.[A-Za-z0-9._-]+)\}|\$\$\{/g;

/** A name that is not known stays as it is written: the checks of the file have said so before. */
export function filler(values: Readonly<Record<string, string>>): Fill {
  return (text) =>
    text.replace(TEMPLATE, (written, name: string | undefined) => {
      if (written.startsWith("$$")) return written.slice(1);
      return name !== undefined && Object.hasOwn(values, name) ? (values[name] ?? "") : written;
    });
}

export function gitValues(git: GitFacts): Readonly<Record<string, string>> {
  return {
    "git.sha": git.sha,
    "git.short": git.sha.slice(0, 7),
    "git.branch": branchOfBuild(git),
    "git.tag": tagOfBuild(git),
    "git.ref": git.ref,
  };
}

export function matrixValues(
  entry: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(entry).map(([name, value]) => [`matrix.${name}`, value]),
  );
}

/** What an image may be called, with registry, tag and digest. */
const IMAGE_NAME =
  /^[a-z0-9][A-Za-z0-9._-]*(?::\d+)?(?:[/][A-Za-z0-9._-]+)*(?::[\w.-]+)?(?:@[\w:+.-]+)?$/;
const IMAGE_NAME_MAX = 512;

/** Throws `IMAGE_UNKNOWN` for a name that is none once its values are in place. */
export function fillImage(image: PipelineImage, fill: Fill): PipelineImage {
  switch (image.kind) {
    case "base":
      return image;
    case "named": {
      const name = fill(image.name);
      const isFilled = name !== image.name;
      if (isFilled && (!IMAGE_NAME.test(name) || name.length > IMAGE_NAME_MAX)) {
        throw new UserFault("IMAGE_UNKNOWN", `"${name}" is no name of an image`, {
          hint: `It comes from ${image.name} in .tatara.yml.`,
        });
      }
      return { ...image, name };
    }
    case "dockerfile": {
      const { path, context, stage, args } = image;
      return {
        ...image,
        path: fillPath(path, fill),
        context: context === "" ? context : fillPath(context, fill),
        stage: stage === null ? null : fill(stage),
        args: fillMap(args, fill),
      };
    }
  }
}

/** A value with `..` in it must not lead out of the repo. */
function fillPath(path: string, fill: Fill): string {
  const filled = fill(path);
  const inside = filled === path ? path : pathInRepo(filled);
  if (inside !== undefined) return inside;
  throw new UserFault("IMAGE_UNKNOWN", `"${filled}" is no path of a Dockerfile`, {
    hint: `It comes from ./${path} in .tatara.yml.`,
  });
}

export function fillMap(
  map: Readonly<Record<string, string>>,
  fill: Fill,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, fill(value)]));
}

export function fillCache(cache: CacheRule | null, fill: Fill): CacheRule | null {
  if (cache === null) return null;
  return { paths: cache.paths.map(fill), keyFiles: cache.keyFiles?.map(fill) ?? null };
}

export function fillKeep(keep: KeepRule | null, fill: Fill): KeepRule | null {
  return keep === null ? null : { ...keep, files: keep.files.map(fill) };
}
