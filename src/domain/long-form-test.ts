import { at, filled, imageMap, patternsIn, runKeys } from "./long-form-parts.ts";
import type { LongForm } from "./long-form-parts.ts";
import type { KeepRule, Matrix, TestStep, WorkDir } from "./pipeline.ts";
import { formatDuration } from "./pipeline-types.ts";

/** A test with all that holds for it. */
export function longTest(test: TestStep, folder: string): LongForm {
  const { run, image, matrix, services, reports, keep, needs, dir, user } = test;
  return filled({
    run,
    image: imageMap(image, folder),
    matrix: matrix && matrixMap(matrix),
    services,
    reports: reports && patternsIn(reports, folder),
    keep: keep && keepMap(keep, folder),
    needs,
    dir: dirText(dir, folder),
    user,
    network: test.network,
    ...runKeys(test, folder),
    "idle-timeout": formatDuration(test.idleTimeoutMs),
    "allow-failure": test.allowFailure,
  });
}

function matrixMap({ variables, except }: Matrix): LongForm {
  const lists = variables.map(({ name, values }) => [name, values] as const);
  return filled({ ...Object.fromEntries(lists), except });
}

function keepMap({ files, expiresMs, after }: KeepRule, folder: string): LongForm {
  return { files: patternsIn(files, folder), expires: formatDuration(expiresMs), after };
}

/** A folder that is called "image" is written `./image`. */
function dirText(dir: WorkDir, folder: string): string {
  if (dir.kind === "image") return "image";
  const path = at(folder, dir.path);
  return path === "image" ? "./image" : path;
}
